"""Language models in GGUF: texts, choices among answers, and likelihoods."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pg_llm.errors import Error, InvalidInput
from pg_llm.models import event_loop, gguf, grammars
from pg_llm.models.engine import Message, Sampling, Text, Window, Written
from pg_llm.models.llama import choice
from pg_llm.models.llama.process import Llama
from pg_llm.models.llama.processes import Processes
from pg_llm.models.llama.settings import choose
from pg_llm.models.spec import ModelSpec
from pg_llm.models.special_tokens import SpecialTokens

# Tokens to which a text is truncated for a prompt, and characters of a long one.
_MAX_TEXT_TOKENS, _LONGEST_TOKEN = 1000, 64
# Characters of a token, roughly and for European languages.
_TOKEN = 4
# llama.cpp takes this seed for none.
_NO_SEED = 0xFFFFFFFF
# One statement is wanted, and no explanation of it.
_END_OF_STATEMENT = ";\n"
_LLGUIDANCE = "%llguidance {}\n"


@dataclass(frozen=True, slots=True)
class _Completion:
    """A text that is asked for; `body` is the request for it, without its prompt."""

    messages: Sequence[Message]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Answers whose probabilities are asked for."""

    messages: Sequence[Message]
    answers: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Continuation:
    """Continuations of a text whose likelihoods are asked for."""

    before: str
    continuations: Sequence[str]


class LlamaGeneration:
    """A language model that writes, chooses and judges; `submit` takes single windows, as llama.cpp batches itself."""

    task = "generation"
    engine = "llama.cpp"
    device = "cpu"
    batch_tokens = batch_windows = 1

    def __init__(self, spec: ModelSpec, folder: Path, threads: int) -> None:
        settings = choose(spec, folder, threads)
        self._special_tokens = SpecialTokens(gguf.special_tokens(gguf.files(folder)[0]))
        self._processes = Processes(settings)
        self.concurrency = settings.slots * settings.processes
        self.bytes = settings.bytes
        self.details: dict[str, Any] = {"context": settings.context}

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Prompts whose answers have one token."""
        return [[self.prompt([{"role": "user", "content": str(text)}], Sampling(1))] for text in texts]

    def truncate(self, text: str) -> str:
        """The text up to the limit for a prompt."""
        # A token has a byte at least.
        if len(text.encode("utf-8", "replace")) <= _MAX_TEXT_TOKENS:
            return text
        llama = self._processes.first
        return llama.start(_truncated(llama, text[: _MAX_TEXT_TOKENS * _LONGEST_TOKEN])).result()

    def prompt(self, messages: Sequence[Message], sampling: Sampling) -> Window:
        """The input for generating the next turn of a conversation. Raises InvalidInput for a schema of no use."""
        body: dict[str, Any] = {
            "n_predict": sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed % _NO_SEED,
        }
        if sampling.is_sql:
            body["stop"] = [_END_OF_STATEMENT]
        if (grammar := grammars.of(sampling)) is not None:
            body["grammar"] = _LLGUIDANCE + grammar
        cost = _tokens(*(message["content"] for message in messages))
        return Window(_Completion(self._special_tokens.broken(messages), body), cost)

    def question(self, messages: Sequence[Message], answers: Sequence[str]) -> Window:
        """The input for choosing among answers to a conversation."""
        cost = _tokens(*(message["content"] for message in messages))
        return Window(_Choice(self._special_tokens.broken(messages), list(answers)), cost)

    def likelihood(self, before: str, continuations: Sequence[str]) -> Window:
        """The input for scoring continuations of a text that is no conversation."""
        return Window(_Continuation(before, list(continuations)), _tokens(before, *continuations))

    def submit(self, batch: Sequence[Window]) -> Future[Sequence[Any]]:
        """Start a batch; an output may be an Error. Cancelling the future ends what llama.cpp does for it."""
        return event_loop.start(self._outputs([window.tokens for window in batch]))

    def forward(self, batch: Sequence[Window]) -> Sequence[Any]:
        """The outputs of a batch, text by text."""
        outputs = self.submit(batch).result()
        for output in outputs:
            if isinstance(output, Error):
                raise output
        return outputs

    async def _outputs(self, batch: Sequence[Any]) -> Sequence[Any]:
        with self._processes.least_busy() as llama:
            return [await _output(llama, asked) for asked in batch]


async def _output(llama: Llama, asked: Any) -> Any:
    try:
        match asked:
            case _Completion():
                _check_length(llama, *(message["content"] for message in asked.messages))
                return await _complete(llama, asked)
            case _Choice():
                _check_length(llama, *(message["content"] for message in asked.messages))
                return await choice.log_probabilities(llama, asked.messages, asked.answers)
            case _Continuation():
                _check_length(llama, asked.before)
                return await _likelihoods(llama, asked)
    except Error as error:
        return error


def _check_length(llama: Llama, *texts: str) -> None:
    """Raise InvalidInput for what is too long however it is tokenized: tokenizing it would take long."""
    if sum(map(len, texts)) > llama.settings.context * _LONGEST_TOKEN:
        raise llama.too_long()


async def _complete(llama: Llama, asked: _Completion) -> Written:
    """The text, empty where its grammar leaves it incomplete. Raises InvalidInput where it is not followed."""
    prompt = await llama.prompt(asked.messages)
    events = await llama.stream("/completion", {**asked.body, "prompt": prompt})
    text, last = "".join(event["content"] for event in events), events[-1]
    is_complete = last.get("stop_type") == "eos"
    if grammar := asked.body.get("grammar"):
        # A grammar that is too large for it llama.cpp leaves out, and says nothing.
        rules = grammar.removeprefix(_LLGUIDANCE)
        if not await asyncio.to_thread(grammars.is_followed, rules, text, is_complete):
            raise InvalidInput("the schema is too large for llama.cpp to follow it", hint="Ask for less at a time.")
        text = text if is_complete else ""
    return Written(text.strip(), last["tokens_evaluated"], last["tokens_predicted"])


async def _likelihoods(llama: Llama, asked: _Continuation) -> Any:
    # In byte-pair encodings a space belongs to the token of the word after it.
    before = asked.before.rstrip()
    space = asked.before[len(before) :]
    return await choice.likelihoods(llama, "\n" + before, [space + text for text in asked.continuations])


async def _truncated(llama: Llama, text: str) -> str:
    tokens = await llama.tokens(text)
    if len(tokens) <= _MAX_TEXT_TOKENS:
        return text
    answer = await llama.look_up("/detokenize", {"tokens": tokens[:_MAX_TEXT_TOKENS]})
    # The last token may end within a character.
    return str(answer["content"]).rstrip("\ufffd")


def _tokens(*texts: str) -> int:
    """About how many tokens texts have."""
    return sum(map(len, texts)) // _TOKEN + 1
