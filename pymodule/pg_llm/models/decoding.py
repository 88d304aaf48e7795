"""Batched autoregressive decoding of a causal language model, a slice of tokens at a time (continuous batching).

Between two slices other texts get their turn, and texts of cancelled requests are dropped.
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

# Tokens that are generated for a text before other texts get their turn.
_SLICE = 16


@dataclass(slots=True, eq=False)
class GenerationState:
    """A text that is being generated: its prompt, the tokens so far, and the key-value cache for the next one.

    `matcher` constrains the tokens to a grammar; `random` is None for greedy decoding.
    """

    tokens: list[int]
    max_tokens: int
    temperature: float = 0.0
    random: torch.Generator | None = None
    matcher: Any = None
    generated: list[int] = field(default_factory=list)
    done: bool = False
    logits: Any = None
    cache: Any = None

    @property
    def complete(self) -> bool:
        """Whether the text is a whole sentence of the grammar; always true without one."""
        return self.matcher is None or (self.matcher.is_accepting() and not self.matcher.is_error())

    def append_next(self, end_tokens: frozenset[int]) -> None:
        """Choose the next token from the logits."""
        logits = self.logits
        if self.matcher is not None:
            bits = np.frombuffer(self.matcher.compute_bitmask(), np.uint8)
            allowed = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: len(logits)].astype(bool))
            logits = logits.masked_fill(~allowed.to(logits.device), -torch.inf)
        if self.random is None:
            token = int(logits.argmax())
        else:
            probabilities = (logits / self.temperature).softmax(-1).cpu()
            token = int(torch.multinomial(probabilities, 1, generator=self.random))
        if self.matcher is not None:
            self.matcher.consume_token(token)
            self.done = self.matcher.is_stopped()
        if token in end_tokens:
            self.done = True
        else:
            self.generated.append(token)
        self.done = self.done or len(self.generated) >= self.max_tokens
        if self.done:
            self.logits = self.cache = None


def advance(model: Any, states: Sequence[GenerationState], end_tokens: frozenset[int]) -> None:
    """Generate up to a slice of tokens of each text; those that are `done` stay as they are."""
    with torch.inference_mode():
        prefilled: dict[tuple[int, ...], Any] = {}
        new = [state for state in states if state.cache is None and not state.done]
        for state in new:
            _prefill(model, state, prefilled)
        for state in new:
            state.append_next(end_tokens)
        unfinished = [state for state in states if not state.done]
        # Caches of other kinds, such as sliding windows, cannot be padded into one.
        joinable = [state for state in unfinished if all(type(layer) is DynamicLayer for layer in state.cache.layers)]
        others = [state for state in unfinished if state not in joinable]
        for group in ([joinable] if joinable else []) + [[state] for state in others]:
            _generate_slice(model, group, end_tokens)


def _prefill(model: Any, state: GenerationState, prefilled: dict[tuple[int, ...], Any]) -> None:
    """Run the model on the prompt, once for all texts of this batch that have the same."""
    prompt = tuple(state.tokens)
    if prompt not in prefilled:
        ids = torch.tensor([state.tokens], device=model.device)
        prefilled[prompt] = model(input_ids=ids, use_cache=True, logits_to_keep=1)
        state.cache = prefilled[prompt].cache
    else:
        state.cache = copy.deepcopy(prefilled[prompt].cache)
    state.logits = prefilled[prompt].logits[0, -1].float()


def _generate_slice(model: Any, group: Sequence[GenerationState], end_tokens: frozenset[int]) -> None:
    lengths = [state.cache.get_seq_length() for state in group]
    longest = max(lengths)
    cache = _join_caches(group, longest)
    # Attention never sees the padding at the beginning of shorter texts.
    mask = torch.zeros((len(group), longest + _SLICE), dtype=torch.long, device=model.device)
    for row, length in enumerate(lengths):
        mask[row, longest - length :] = 1
    positions = torch.tensor(lengths, device=model.device)
    for step in range(_SLICE):
        if all(state.done for state in group):
            return
        last = [state.generated[-1] if state.generated else 0 for state in group]
        out = model(
            input_ids=torch.tensor(last, device=model.device)[:, None],
            position_ids=(positions + step)[:, None],
            attention_mask=mask[:, : longest + step + 1],
            cache=cache,
            use_cache=True,
        )
        for row, state in enumerate(group):
            if not state.done:
                state.logits = out.logits[row, -1].float()
                state.append_next(end_tokens)
    _split_cache(group, cache, [longest - length for length in lengths])


def _join_caches(group: Sequence[GenerationState], longest: int) -> Any:
    """One cache of all texts, shorter ones padded at their beginning."""
    if len(group) == 1:
        return group[0].cache
    cache = DynamicCache()
    for number in range(len(group[0].cache.layers)):
        layers = [state.cache.layers[number] for state in group]
        keys, values = (
            torch.cat([torch.nn.functional.pad(tensor, (0, 0, longest - tensor.shape[2], 0)) for tensor in tensors])
            for tensors in ([layer.keys for layer in layers], [layer.values for layer in layers])
        )
        cache.update(keys, values, number)
    return cache


def _split_cache(group: Sequence[GenerationState], cache: Any, padding: Sequence[int]) -> None:
    """Give each unfinished text a cache of its own again."""
    if len(group) == 1:
        return
    for row, state in enumerate(group):
        if not state.done:
            own = DynamicCache()
            for number, layer in enumerate(cache.layers):
                keys, values = (
                    tensor[row : row + 1, :, padding[row] :].clone() for tensor in (layer.keys, layer.values)
                )
                own.update(keys, values, number)
            state.cache = own
