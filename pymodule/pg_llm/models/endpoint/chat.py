"""`POST base/chat/completions`: texts, JSON by a schema, and choices among answers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pg_llm.errors import TextRefused
from pg_llm.models.endpoint import choice, json_schema, json_text, redaction
from pg_llm.models.endpoint.engine import TOKEN, Content, Endpoint
from pg_llm.models.endpoint.failure import RequestFailed
from pg_llm.models.endpoint.redaction import Labels
from pg_llm.models.endpoint.replica import tokens_used, unusable
from pg_llm.models.engine import Message, Sampling, Text, Window, Written
from pg_llm.models.personal_data import Find
from pg_llm.models.spec import ModelSpec

# Characters of a text that go into a prompt; some 2,000 tokens of English.
_MAX_TEXT_LENGTH = 8000
# What a reasoning model thought, where the server leaves it in the answer.
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
# Ways to ask for JSON: the next is tried where an endpoint refuses one.
_STRICT, _LOOSE, _IN_WORDS = range(3)
_ABOUT_LABELS = (
    "Labels in brackets, such as [person_1], stand for names and numbers that you are not told. Write them as they are"
    " where you would write what they stand for."
)
_WANTED = "a chat completion"
# Tokens for a choice in JSON; a model that thinks before needs most of them.
_MAX_CHOICE = 1024


@dataclass(frozen=True, slots=True)
class _Completion:
    """A text that is asked for."""

    messages: Sequence[Message]
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class _Choice:
    """A choice that is asked for."""

    messages: Sequence[Message]
    answers: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came: the text, all of its choice, and the tokens of prompt and answer."""

    text: str
    choice: dict[str, Any]
    tokens_in: int
    tokens_out: int

    @property
    def was_cut(self) -> bool:
        """Whether it ends where max_tokens were spent."""
        return self.choice.get("finish_reason") == "length"

    def written(self, text: str | None = None, before: _Answer | None = None) -> Written:
        """The text, or the part of it that counts, with the tokens of an answer before it too."""
        tokens_in, tokens_out = (before.tokens_in, before.tokens_out) if before else (0, 0)
        return Written(self.text if text is None else text, self.tokens_in + tokens_in, self.tokens_out + tokens_out)


class EndpointGeneration(Endpoint):
    """A language model that writes and chooses; likelihoods of texts that are given it does not tell."""

    task = "generation"
    batch_tokens = batch_windows = 1

    def __init__(self, spec: ModelSpec, find: Find | None = None) -> None:
        super().__init__(spec, find)
        self._limit = "max_completion_tokens" if spec.options.get("max_completion_tokens") else "max_tokens"
        self._way = _STRICT
        # Until an endpoint shows that it gives none.
        self._gives_probabilities = True

    def encode(self, texts: Sequence[Text], overlap: int = 0) -> list[list[Window]]:
        """Prompts whose answers have one token."""
        return [[self.prompt([{"role": "user", "content": str(text)}], Sampling(1))] for text in texts]

    def truncate(self, text: str) -> str:
        """The first characters of the text."""
        return text[:_MAX_TEXT_LENGTH]

    def prompt(self, messages: Sequence[Message], sampling: Sampling) -> Window:
        """One request."""
        return Window(Content(_Completion(list(messages), sampling)), _tokens(messages))

    def question(self, messages: Sequence[Message], answers: Sequence[str]) -> Window:
        """One request for the first token, and where no probabilities come with it one for JSON."""
        return Window(Content(_Choice(list(messages), list(answers))), _tokens(messages))

    def _texts(self, content: _Completion | _Choice) -> list[str]:
        told = [message["content"] for message in content.messages]
        if isinstance(content, _Choice):
            return [*told, *content.answers]
        return [*told, *redaction.schema_texts(content.sampling.schema)]

    def _redacted(self, content: _Completion | _Choice, labels: Labels) -> _Completion | _Choice:
        if labels.are_none:
            return content
        messages = [message | {"content": labels.redact(message["content"])} for message in content.messages]
        messages[0] = messages[0] | {"content": f"{_ABOUT_LABELS}\n\n{messages[0]['content']}"}
        if isinstance(content, _Choice):
            return _Choice(messages, [labels.redact(answer) for answer in content.answers])
        return _Completion(messages, replace(content.sampling, schema=labels.redact_schema(content.sampling.schema)))

    def _restored(self, output: Any, content: _Completion | _Choice, labels: Labels) -> Any:
        if not isinstance(output, Written) or not isinstance(content, _Completion) or labels.are_none:
            return output
        schema = content.sampling.schema
        write = redaction.in_sql if content.sampling.is_sql else redaction.in_json if schema is not None else str
        restored = labels.restore(output, write, self._transport.max_response)
        if restored is None:
            return TextRefused(
                f"the answer is larger than {self._transport.max_response} bytes once it has what was kept from the"
                " endpoint",
                hint="It repeats a label too often.",
            )
        if schema is not None and restored:
            _, wrong = _following(schema, restored)
            if wrong:
                return TextRefused(
                    f"the answer does not follow the schema once it has what was kept from the endpoint: {wrong}",
                    hint="A label stood in its place; allow any text there, or ask a model without redact_before.",
                )
        return Written(restored, output.tokens_in, output.tokens_out)

    async def _outputs(self, contents: Sequence[Any]) -> Sequence[Any]:
        """For a prompt a text, empty for JSON that was cut off; for a question logarithms of probabilities."""
        return [await self._output(content) for content in contents]

    async def _output(self, asked: _Completion | _Choice) -> Any:
        try:
            if isinstance(asked, _Choice):
                return await self._choose(asked)
            if asked.sampling.schema is None:
                answer = await self._complete(asked.messages, asked.sampling)
                return answer.written() if answer.text else self._failure(_empty(answer))
            return await self._write_json(asked)
        except RequestFailed as failure:
            return self._failure(failure)

    async def _complete(self, messages: Sequence[Message], sampling: Sampling, **more: Any) -> _Answer:
        """The answer to a request; `more` are further fields of it."""
        body = {
            "messages": messages,
            self._limit: sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            **more,
        }
        tokens_in = _tokens(messages)
        return await self._transport.post(
            "chat/completions", body, tokens_in + sampling.max_tokens, lambda answer: self._read(answer, tokens_in)
        )

    def _read(self, answer: Any, tokens_in: int) -> _Answer:
        """A completion in the JSON that came; `tokens_in` is an estimate. Raises RequestFailed."""
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if not isinstance(choices, list) or not choices:
            other = f"JSON of another kind ({self._transport.show(json.dumps(answer))})"
            raise unusable("no choice" if choices == [] else other, _WANTED)
        first = choices[0] if isinstance(choices[0], dict) else {}
        message = first.get("message")
        if not isinstance(message, dict):
            raise unusable("a choice without a message", _WANTED)
        if isinstance(refusal := message.get("refusal"), str) and refusal:
            raise RequestFailed(f"the model refuses: {self._transport.show(refusal)}", of_text=True)
        content = message.get("content")
        # What PostgreSQL's texts cannot hold.
        text = content.replace("\0", "").encode("utf-8", "replace").decode() if isinstance(content, str) else ""
        return _Answer(
            _THOUGHT.sub("", text).strip(),
            first,
            int(tokens_used(answer, "prompt_tokens", tokens_in)),
            int(tokens_used(answer, "completion_tokens", len(text) // TOKEN + 1)),
        )

    async def _write_json(self, asked: _Completion) -> Written:
        """JSON that follows the schema, empty where it was cut off. What breaks the schema is asked for once more."""
        schema = asked.sampling.schema
        messages = list(asked.messages)
        before: _Answer | None = None
        for _ in range(2):
            answer = await self._complete_json(messages, asked.sampling)
            text = answer.text
            # A schema and an answer that are made for it take seconds, in which others' requests go on.
            written, wrong = await asyncio.to_thread(_following, schema, text)
            if written is not None:
                return answer.written(written, before)
            if answer.was_cut:
                return answer.written("", before)
            if not text:
                raise _empty(answer)
            before = answer
            said = {"role": "user", "content": f"That cannot be used: {wrong}."}
            messages = [*messages, {"role": "assistant", "content": text}, *_with_schema([said], schema)]
        raise RequestFailed(
            f"JSON that follows a schema was asked for, and twice something else came ({wrong}):"
            f" {self._transport.show(text)}",
            of_text=True,
        )

    async def _complete_json(self, messages: Sequence[Message], sampling: Sampling) -> _Answer:
        while True:
            way = self._way
            try:
                if way == _IN_WORDS:
                    return await self._complete(_with_schema(messages, sampling.schema), sampling)
                named = {"name": "answer", "schema": sampling.schema, "strict": way == _STRICT}
                wanted = {"type": "json_schema", "json_schema": named}
                return await self._complete(messages, sampling, response_format=wanted)
            except RequestFailed as failure:
                if way == _IN_WORDS or not _is_about(failure, "response_format", "schema", "grammar"):
                    raise
                # For all that follow, as what is refused is seldom taken later.
                self._way = max(self._way, way + 1)

    async def _choose(self, asked: _Choice) -> Any:
        options = choice.Options(asked.answers)
        if self._gives_probabilities and options.are_few:
            try:
                answer = await self._complete(
                    options.listed(asked.messages),
                    Sampling(choice.MAX_TOKENS),
                    logprobs=True,
                    top_logprobs=choice.MAX_PROBABILITIES,
                )
            except RequestFailed as failure:
                if not _is_about(failure, "logprobs"):
                    raise
                self._gives_probabilities = False
            else:
                found = options.log_probabilities(answer.choice.get("logprobs"))
                if found is not None:
                    return found
                self._gives_probabilities = bool(answer.choice.get("logprobs"))
                if (chosen := options.read(answer.text)) is not None:
                    return options.chosen(chosen)
        sampling = Sampling(_MAX_CHOICE, schema=options.schema)
        written = await self._write_json(_Completion(options.named(asked.messages), sampling))
        if not written:
            raise RequestFailed("it chose none of the answers", of_text=True)
        return options.chosen(json.loads(written)["answer"])


def _following(schema: Any, text: str) -> tuple[str | None, str]:
    """The JSON in a text that follows the schema, or what is wrong with the first."""
    problems = []
    for written, value in json_text.candidates(text):
        problem = json_schema.problem(schema, value)
        if problem is None:
            return written, ""
        problems.append(problem)
    return None, problems[0] if problems else "it is no JSON"


def _tokens(messages: Sequence[Message]) -> int:
    """About how many tokens a conversation has."""
    return sum(len(message["content"]) for message in messages) // TOKEN + 1


def _empty(answer: _Answer) -> RequestFailed:
    """The failure of an answer without a text."""
    if answer.was_cut:
        return RequestFailed(
            "it answered with an empty text, as max_tokens was spent before the answer began",
            of_text=True,
            hint="Raise max_tokens: a model that thinks before it answers needs hundreds.",
        )
    return RequestFailed(f"it answered with an empty text, not with {_WANTED}", of_text=True)


def _with_schema(messages: Sequence[Message], schema: Any) -> list[Message]:
    """The conversation whose last question asks for JSON in words."""
    *before, question = messages
    wanted = f"Answer with JSON only, which follows this JSON Schema: {json.dumps(schema)}"
    return [*before, question | {"content": f"{question['content']}\n\n{wanted}"}]


def _is_about(failure: RequestFailed, *words: str) -> bool:
    """Whether a request was refused because of a field that an endpoint does not know."""
    return failure.status in (400, 422) and any(word in failure.text.lower() for word in words)
