"""Causal language models through torch: what they write, and how likely each of some continuations of a prompt is."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pg_llm.errors import InvalidInput
from pg_llm.models import decoding
from pg_llm.models.decoding import GenerationState
from pg_llm.models.engine import Message, Sampling, Text, Window
from pg_llm.models.grammars import Grammars

# Continuations that are scored at once, each with a copy of the prompt's keys and values.
_AT_ONCE = 64
# Tokens of a text that go into a prompt.
_LONGEST_TEXT = 1000


class CausalModel:
    """`forward` gives the text that answers a `prompt`, and for a `question` the log-likelihood of each answer."""

    task = "generation"
    engine = "torch"
    # Of texts that are written at once: each token costs the keys and values of all layers.
    batch_tokens = 4096

    def __init__(self, folder: Path, device: str, threads: int) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.device = device
        common: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder), **common)
        kind = torch.bfloat16 if device == "cuda" else torch.float32
        model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=kind, use_safetensors=True, **common)
        self._model = model.to(device).eval()
        self.bytes = sum(weight.nbytes for weight in self._model.parameters())
        self.details: dict[str, Any] = {}
        self._window: int = getattr(model.config, "max_position_embeddings", 2048)
        ends = model.generation_config.eos_token_id
        listed = ends if isinstance(ends, list) else [ends, self._tokenizer.eos_token_id]
        self._ends = frozenset(token for token in listed if token is not None)

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Prompts without answers."""
        return [[self.question([{"role": "user", "content": str(text)}], [""])] for text in texts]

    def truncate(self, text: str) -> str:
        """As much of the text as goes into a prompt."""
        text = text[: _LONGEST_TEXT * self._longest_token]
        found = self._tokenizer(
            text, truncation=True, max_length=_LONGEST_TEXT, return_offsets_mapping=True, add_special_tokens=False
        )["offset_mapping"]
        return text[: found[-1][1]] if found else ""

    def question(self, messages: Sequence[Message], answers: Sequence[str]) -> Window:
        """A conversation that is to be gone on with, and possible answers."""
        prompt = self._prompt(messages)
        ids = [self._tokenizer(answer, add_special_tokens=False)["input_ids"] for answer in answers]
        # As costly as a batch may be: on a CPU more at once are no faster, and nobody waits long for another's.
        return Window((prompt, ids), self.batch_tokens)

    def likelihood(self, before: str, continuations: Sequence[str]) -> Window:
        """A text that is no conversation, and ways in which it may go on."""
        # A space belongs to the word after it.
        space = before[len(before.rstrip()) :]
        prompt = self._tokenizer("\n" + before.rstrip(), add_special_tokens=False)["input_ids"]
        ids = [self._tokenizer(space + text, add_special_tokens=False)["input_ids"] for text in continuations]
        return Window((prompt, ids), self.batch_tokens)

    def prompt(self, messages: Sequence[Message], sampling: Sampling) -> Window:
        """A conversation that is to be gone on with by a text. Raises InvalidInput for one that is too long."""
        prompt = self._prompt(messages)
        room = self._window - len(prompt)
        if room <= 0:
            raise self._too_long(f"{len(prompt)}")
        writing = GenerationState(prompt, min(room, sampling.max_tokens))
        if sampling.temperature:
            writing.temperature = sampling.temperature
            writing.random = torch.Generator().manual_seed(sampling.seed)
        if sampling.grammar is not None:
            writing.matcher = self._grammars.matcher(sampling.grammar)
        return Window(writing, len(prompt) + writing.longest)

    def forward(self, batch: Sequence[Window]) -> Any:
        """For each prompt its text, for each question the log-likelihoods of its answers, shape (answers,).

        A text that its grammar does not let end where it ends is None; one that is not finished is its unit again.
        """
        decoding.advance(
            self._model, [unit.tokens for unit in batch if isinstance(unit.tokens, GenerationState)], self._ends
        )
        with torch.inference_mode():
            return [
                self._written(unit) if isinstance(unit.tokens, GenerationState) else self._scores(*unit.tokens)
                for unit in batch
            ]

    def _written(self, unit: Window) -> Window | str | None:
        writing: GenerationState = unit.tokens
        if not writing.done:
            return unit
        text: str = self._tokenizer.decode(writing.written, skip_special_tokens=True)
        return text.strip() if writing.complete else None

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self._tokenizer)

    @cached_property
    def _longest_token(self) -> int:
        """Characters that one token stands for at most."""
        return max(map(len, self._tokenizer.get_vocab()), default=1)

    def _too_long(self, tokens: str) -> InvalidInput:
        return InvalidInput(
            f"the prompt has {tokens} tokens, and the model reads {self._window}",
            hint="left(text, 4000) shortens a text; a model with a longer window can be registered.",
        )

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        # Too long, however few tokens it is cut into.
        least = sum(len(message["content"]) for message in messages) // self._longest_token
        if least > self._window:
            raise self._too_long(f"{least} or more")
        if self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        else:
            text = "\n".join(message["content"] for message in messages) + "\n"
        found: list[int] = self._tokenizer(text, add_special_tokens=not self._tokenizer.chat_template)["input_ids"]
        return found

    def _scores(self, prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> Any:
        ids = torch.tensor([prompt], device=self.device)
        begun = self._model(input_ids=ids, use_cache=True, logits_to_keep=1)
        first = begun.logits[0, -1].float().log_softmax(-1)
        scores = np.asarray([float(first[ids[0]]) if ids else 0.0 for ids in answers])
        longer = [row for row, ids in enumerate(answers) if len(ids) > 1]
        for start in range(0, len(longer), _AT_ONCE):
            rows = longer[start : start + _AT_ONCE]
            scores[rows] += self._rest([answers[row] for row in rows], len(prompt), copy.deepcopy(begun.cache))
        return scores

    def _rest(self, answers: Sequence[Sequence[int]], length: int, cache: Any) -> Any:
        """Log-likelihoods of all tokens but the first; the prompt is not run again."""
        longest = max(len(ids) for ids in answers) - 1
        inputs = torch.zeros((len(answers), longest), dtype=torch.long, device=self.device)
        for row, ids in enumerate(answers):
            inputs[row, : len(ids) - 1] = torch.tensor(ids[:-1])
        cache.batch_repeat_interleave(len(answers))
        # Shorter answers are padded at their end, which nothing before it can see.
        mask = torch.ones((len(answers), length + longest), dtype=torch.long, device=self.device)
        logits = self._model(input_ids=inputs, cache=cache, attention_mask=mask).logits
        chances = logits.float().log_softmax(-1)
        return [
            sum(float(chances[row, place, token]) for place, token in enumerate(ids[1:]))
            for row, ids in enumerate(answers)
        ]
