"""Causal language models in safetensors, run by torch: texts, one at a time, and likelihoods of continuations."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from pg_llm.errors import InvalidInput
from pg_llm.models import grammars
from pg_llm.models.engine import Message, Sampling, Text, Window, Written
from pg_llm.models.special_tokens import SpecialTokens

# Continuations that are scored at once, each with a copy of the prompt's key-value cache.
_MAX_CONTINUATIONS = 64
# Tokens to which a text is truncated for a prompt.
_MAX_TEXT_TOKENS = 1000
# Tokens that are generated for a text before other texts get their turn.
_SLICE = 16


@dataclass(slots=True, eq=False)
class _Text:
    """A text that is being generated: its tokens, the prompt's first, and what was computed for them.

    `mask` constrains the tokens to a grammar.
    """

    tokens: list[int]
    prompt: int
    longest: int
    sampling: Sampling
    mask: grammars.TokenMask | None
    cache: Any = None


class CausalModel:
    """`forward` gives the answer to a `prompt`, and for a `question` the log-likelihood of each of its answers."""

    task = "generation"
    engine = "torch"
    # Each token of a batch needs keys and values of all layers.
    batch_tokens = 4096

    def __init__(self, folder: Path, device: str, threads: int) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.device = device
        common: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder), **common)
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype, use_safetensors=True, **common)
        self._model = model.to(device).eval()
        self.bytes = sum(weight.nbytes for weight in self._model.parameters())
        self.details: dict[str, Any] = {}
        self._window: int = getattr(model.config, "max_position_embeddings", 2048)
        configured = model.generation_config.eos_token_id
        end_tokens = configured if isinstance(configured, list) else [configured, self._tokenizer.eos_token_id]
        self._end_tokens = frozenset(token for token in end_tokens if token is not None)

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Prompts without answers."""
        return [[self.question([{"role": "user", "content": str(text)}], [""])] for text in texts]

    def truncate(self, text: str) -> str:
        """The text up to the limit for a prompt."""
        text = text[: _MAX_TEXT_TOKENS * self._longest_token]
        offsets = self._tokenizer(
            text, truncation=True, max_length=_MAX_TEXT_TOKENS, return_offsets_mapping=True, add_special_tokens=False
        )["offset_mapping"]
        return text[: offsets[-1][1]] if offsets else ""

    def question(self, messages: Sequence[Message], answers: Sequence[str]) -> Window:
        """The input for scoring possible answers to a conversation."""
        prompt = self._prompt(messages)
        ids = [self._tokenizer(answer, add_special_tokens=False)["input_ids"] for answer in answers]
        # Fills a batch: on a CPU more questions at once are no faster, and make other sessions wait.
        return Window((prompt, ids), self.batch_tokens)

    def likelihood(self, before: str, continuations: Sequence[str]) -> Window:
        """The input for scoring continuations of a text that is no conversation."""
        # In byte-pair encodings a space belongs to the token of the word after it.
        space = before[len(before.rstrip()) :]
        prompt = self._tokenizer("\n" + before.rstrip(), add_special_tokens=False)["input_ids"]
        ids = [self._tokenizer(space + text, add_special_tokens=False)["input_ids"] for text in continuations]
        return Window((prompt, ids), self.batch_tokens)

    def prompt(self, messages: Sequence[Message], sampling: Sampling) -> Window:
        """The input for generating the next turn of a conversation. Raises InvalidInput for one that is too long."""
        prompt = self._prompt(messages)
        room = self._window - len(prompt)
        if room <= 0:
            raise self._too_long(f"{len(prompt)}")
        grammar = grammars.of(sampling)
        mask = grammars.TokenMask(grammar, self._grammar_tokenizer) if grammar is not None else None
        longest = len(prompt) + min(room, sampling.max_tokens)
        return Window(_Text(prompt, len(prompt), longest, sampling, mask), longest)

    def forward(self, batch: Sequence[Window]) -> Any:
        """For each prompt its text, for each question the log-likelihoods of its answers, shape (answers,).

        A text that its grammar leaves incomplete is empty; the window itself stands for a text that is unfinished.
        """
        with torch.inference_mode():
            return [
                self._continue(window) if isinstance(window.tokens, _Text) else self._scores(*window.tokens)
                for window in batch
            ]

    def _continue(self, window: Window) -> Window | Written:
        text: _Text = window.tokens
        how = text.sampling
        drawn = {"do_sample": True, "temperature": how.temperature, "top_k": 0} if how.temperature else {}
        config = GenerationConfig(
            max_new_tokens=min(_SLICE, text.longest - len(text.tokens)),
            **drawn,
            eos_token_id=sorted(self._end_tokens) or None,
            pad_token_id=0,
            return_dict_in_generate=True,
        )
        ids = torch.tensor([text.tokens], device=self.device)
        with torch.random.fork_rng():
            # Each slice goes on from its own place.
            torch.manual_seed(how.seed + len(text.tokens))
            found = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                generation_config=config,
                cache=text.cache,
                logits_processor=[text.mask] if text.mask else [],
            )
        text.tokens, text.cache = found.sequences[0].tolist(), found.cache
        has_ended = text.tokens[-1] in self._end_tokens
        if text.mask is not None:
            text.mask.consume(text.tokens)
            has_ended = has_ended or text.mask.is_stopped
        if not has_ended and len(text.tokens) < text.longest:
            return window
        written = text.tokens[text.prompt :]
        is_complete = text.mask is None or text.mask.is_complete
        decoded: str = self._tokenizer.decode(written, skip_special_tokens=True) if is_complete else ""
        return Written(decoded.strip(), text.prompt, len(written))

    @cached_property
    def _grammar_tokenizer(self) -> Any:
        from llguidance.hf import from_tokenizer

        return from_tokenizer(self._tokenizer)

    @cached_property
    def _longest_token(self) -> int:
        """The largest number of characters that one token stands for."""
        return max(map(len, self._tokenizer.get_vocab()), default=1)

    def _too_long(self, tokens: str) -> InvalidInput:
        return InvalidInput(
            f"the prompt has {tokens} tokens, and the model reads {self._window}",
            hint="left(text, 4000) shortens a text; a model with a longer window can be registered.",
        )

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        # A text with more characters is too long however it is tokenized, and tokenizing it would take long.
        least = sum(len(message["content"]) for message in messages) // self._longest_token
        if least > self._window:
            raise self._too_long(f"{least} or more")
        messages = SpecialTokens(self._tokenizer.all_special_tokens).broken(messages)
        if self._tokenizer.chat_template:
            text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        else:
            text = "\n".join(message["content"] for message in messages) + "\n"
        tokens: list[int] = self._tokenizer(text, add_special_tokens=not self._tokenizer.chat_template)["input_ids"]
        return tokens

    def _scores(self, prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> Any:
        ids = torch.tensor([prompt], device=self.device)
        prefilled = self._model(input_ids=ids, use_cache=True, logits_to_keep=1)
        first = prefilled.logits[0, -1].float().log_softmax(-1)
        scores = np.asarray([float(first[ids[0]]) if ids else 0.0 for ids in answers])
        longer = [row for row, ids in enumerate(answers) if len(ids) > 1]
        for start in range(0, len(longer), _MAX_CONTINUATIONS):
            rows = longer[start : start + _MAX_CONTINUATIONS]
            scores[rows] += self._continuation_scores(
                [answers[row] for row in rows], len(prompt), copy.deepcopy(prefilled.cache)
            )
        return scores

    def _continuation_scores(self, answers: Sequence[Sequence[int]], length: int, cache: Any) -> Any:
        """Log-likelihoods of all tokens but the first, from the prompt's key-value cache."""
        longest = max(len(ids) for ids in answers) - 1
        inputs = torch.zeros((len(answers), longest), dtype=torch.long, device=self.device)
        for row, ids in enumerate(answers):
            inputs[row, : len(ids) - 1] = torch.tensor(ids[:-1])
        cache.batch_repeat_interleave(len(answers))
        # Padding at the end of shorter answers is not seen by the tokens before it.
        mask = torch.ones((len(answers), length + longest), dtype=torch.long, device=self.device)
        logits = self._model(input_ids=inputs, cache=cache, attention_mask=mask).logits
        log_probabilities = logits.float().log_softmax(-1)
        return [
            sum(float(log_probabilities[row, position, token]) for position, token in enumerate(ids[1:]))
            for row, ids in enumerate(answers)
        ]
