"""Text written by a causal language model: several texts at once, a slice of tokens at a time.

Between two slices others get their turn, and what nobody waits for any more is dropped.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

# Tokens of each text that are written before others get their turn.
_SLICE = 16


@dataclass(slots=True, eq=False)
class GenerationState:
    """A text that is being written: the prompt's tokens and those after it, and what the next one depends on.

    `matcher` holds the text to a grammar; `random` is None where always the most probable token is taken.
    """

    tokens: list[int]
    longest: int
    temperature: float = 0.0
    random: torch.Generator | None = None
    matcher: Any = None
    written: list[int] = field(default_factory=list)
    done: bool = False
    logits: Any = None
    cache: Any = None

    @property
    def complete(self) -> bool:
        """Whether the text is what the grammar asks for; always so without one."""
        return self.matcher is None or (self.matcher.is_accepting() and not self.matcher.is_error())

    def choose(self, ends: frozenset[int]) -> None:
        """Write the next token."""
        logits = self.logits
        if self.matcher is not None:
            bits = np.frombuffer(self.matcher.compute_bitmask(), np.uint8)
            allowed = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: len(logits)].astype(bool))
            logits = logits.masked_fill(~allowed.to(logits.device), -torch.inf)
        if self.random is None:
            token = int(logits.argmax())
        else:
            chances = (logits / self.temperature).softmax(-1).cpu()
            token = int(torch.multinomial(chances, 1, generator=self.random))
        if self.matcher is not None:
            self.matcher.consume_token(token)
            self.done = self.matcher.is_stopped()
        if token in ends:
            self.done = True
        else:
            self.written.append(token)
        self.done = self.done or len(self.written) >= self.longest
        if self.done:
            self.logits = self.cache = None


def advance(model: Any, writings: Sequence[GenerationState], ends: frozenset[int]) -> None:
    """Write up to a slice of tokens of each text; those that are `done` stay as they are."""
    with torch.inference_mode():
        begun: dict[tuple[int, ...], Any] = {}
        started = [writing for writing in writings if writing.cache is None and not writing.done]
        for writing in started:
            _begin(model, writing, begun)
        for writing in started:
            writing.choose(ends)
        going = [writing for writing in writings if not writing.done]
        together = [writing for writing in going if all(type(layer) is DynamicLayer for layer in writing.cache.layers)]
        alone = [writing for writing in going if writing not in together]
        for group in ([together] if together else []) + [[writing] for writing in alone]:
            _slice(model, group, ends)


def _begin(model: Any, writing: GenerationState, begun: dict[tuple[int, ...], Any]) -> None:
    """Read the prompt, unless another text of this batch has just begun with the same."""
    prompt = tuple(writing.tokens)
    if prompt not in begun:
        ids = torch.tensor([writing.tokens], device=model.device)
        begun[prompt] = model(input_ids=ids, use_cache=True, logits_to_keep=1)
        writing.cache = begun[prompt].cache
    else:
        writing.cache = copy.deepcopy(begun[prompt].cache)
    writing.logits = begun[prompt].logits[0, -1].float()


def _slice(model: Any, group: Sequence[GenerationState], ends: frozenset[int]) -> None:
    lengths = [writing.cache.get_seq_length() for writing in group]
    longest = max(lengths)
    cache = _joined(group, longest)
    # What a shorter text is padded with, at its beginning, is never looked at.
    mask = torch.zeros((len(group), longest + _SLICE), dtype=torch.long, device=model.device)
    for row, length in enumerate(lengths):
        mask[row, longest - length :] = 1
    places = torch.tensor(lengths, device=model.device)
    for step in range(_SLICE):
        if all(writing.done for writing in group):
            return
        last = [writing.written[-1] if writing.written else 0 for writing in group]
        out = model(
            input_ids=torch.tensor(last, device=model.device)[:, None],
            position_ids=(places + step)[:, None],
            attention_mask=mask[:, : longest + step + 1],
            cache=cache,
            use_cache=True,
        )
        for row, writing in enumerate(group):
            if not writing.done:
                writing.logits = out.logits[row, -1].float()
                writing.choose(ends)
    _part(group, cache, [longest - length for length in lengths])


def _joined(group: Sequence[GenerationState], longest: int) -> Any:
    """One cache of all texts, the shorter ones padded at their beginning."""
    if len(group) == 1:
        return group[0].cache
    cache = DynamicCache()
    for number in range(len(group[0].cache.layers)):
        layers = [writing.cache.layers[number] for writing in group]
        keys, values = (
            torch.cat([torch.nn.functional.pad(held, (0, 0, longest - held.shape[2], 0)) for held in which])
            for which in ([layer.keys for layer in layers], [layer.values for layer in layers])
        )
        cache.update(keys, values, number)
    return cache


def _part(group: Sequence[GenerationState], cache: Any, padding: Sequence[int]) -> None:
    """Give each text that goes on its own cache back."""
    if len(group) == 1:
        return
    for row, writing in enumerate(group):
        if not writing.done:
            own = DynamicCache()
            for number, layer in enumerate(cache.layers):
                its = slice(row, row + 1)
                own.update(
                    layer.keys[its, :, padding[row] :].clone(), layer.values[its, :, padding[row] :].clone(), number
                )
            writing.cache = own
