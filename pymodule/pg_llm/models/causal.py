"""Causal language models through torch: how likely is each of some continuations of a prompt."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from pg_llm.models.engine import Encoded, Text

Message = dict[str, str]

# Continuations that are scored at once, each with a copy of the prompt's keys and values.
_AT_ONCE = 64
# Tokens of a text that go into a prompt.
_LONGEST_TEXT = 1000


class CausalModel:
    """`forward` takes a prompt and its continuations as token ids, and gives each one's log-likelihood."""

    task = "generation"
    engine = "torch"
    # One prompt at a time: on a CPU more are no faster, and nobody waits long for another's.
    batch_tokens = 1

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

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Encoded]]:
        """Prompts without continuations."""
        return [[self.question([{"role": "user", "content": str(text)}], [""])] for text in texts]

    def cut(self, text: str) -> str:
        """As much of the text as goes into a prompt."""
        found = self._tokenizer(
            text, truncation=True, max_length=_LONGEST_TEXT, return_offsets_mapping=True, add_special_tokens=False
        )["offset_mapping"]
        return text[: found[-1][1]] if found else ""

    def question(self, messages: Sequence[Message], answers: Sequence[str]) -> Encoded:
        """A conversation that is to be gone on with, and possible answers."""
        if self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        else:
            text = "\n".join(message["content"] for message in messages) + "\n"
        prompt = self._tokenizer(text, add_special_tokens=not self._tokenizer.chat_template)["input_ids"]
        ids = [self._tokenizer(answer, add_special_tokens=False)["input_ids"] for answer in answers]
        return Encoded((prompt, ids), len(prompt))

    def forward(self, batch: Sequence[Encoded]) -> Any:
        """For each prompt the log-likelihoods of its continuations, shape (continuations,)."""
        with torch.inference_mode():
            return [self._scores(*item.tokens) for item in batch]

    def _scores(self, prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> Any:
        begun = self._model(input_ids=torch.tensor([prompt], device=self.device), use_cache=True)
        first = begun.logits[0, -1].float().log_softmax(-1)
        scores = np.asarray([float(first[ids[0]]) if ids else 0.0 for ids in answers])
        longer = [row for row, ids in enumerate(answers) if len(ids) > 1]
        for start in range(0, len(longer), _AT_ONCE):
            rows = longer[start : start + _AT_ONCE]
            scores[rows] += self._rest(
                [answers[row] for row in rows], len(prompt), copy.deepcopy(begun.past_key_values)
            )
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
        logits = self._model(input_ids=inputs, past_key_values=cache, attention_mask=mask).logits
        chances = logits.float().log_softmax(-1)
        return [
            sum(float(chances[row, place, token]) for place, token in enumerate(ids[1:]))
            for row, ids in enumerate(answers)
        ]
