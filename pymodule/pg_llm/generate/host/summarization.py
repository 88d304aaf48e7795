"""Summaries: of a long text first one of each part that a prompt holds, then one of these (map and reduce).

Options: `instruction`, what the summary should tell, or null; `max_words`, its length at most, or null. Of a model that
does not come to an end the sentences are taken that it has finished.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from pg_llm.errors import TextUnfinished
from pg_llm.models.engine import Engine, GenerationEngine, Sampling, Window
from pg_llm.tasks import Steps, WorkItem, passages, stepwise

_PROMPT = "Summarize the text that the user sends, in its language{length}.{wish} Tell only what the text tells."
_PART_PROMPT = "The text is a part of a longer one."
# Words of a part's summary, and tokens for each word of an answer.
_PART_WORDS = 120
_TOKENS_PER_WORD, _EXTRA_TOKENS = 4, 128
_USUAL_WORDS = 250
_EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
# A character of a script without spaces counts as a word.
_WORD = re.compile(rf"[{_EAST_ASIAN}]|[^\W{_EAST_ASIAN}]+(?:['\u2019-][^\W{_EAST_ASIAN}]+)*")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？]")  # noqa: RUF001 - Chinese


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One summary per text."""
    return [stepwise(_summarize(cast(GenerationEngine, model), text, options)) for text in inputs]


def _summarize(model: GenerationEngine, text: str, options: dict[str, Any]) -> Steps:
    max_words = options["max_words"]
    wish = f" {options['instruction'].strip().rstrip('.')}." if options["instruction"] else ""
    last = _PROMPT.format(length=f" in at most {max_words} words" if max_words else " in a few sentences", wish=wish)
    part = f"{_PROMPT.format(length=f' in at most {_PART_WORDS} words', wish=wish)} {_PART_PROMPT}"
    while model.truncate(text) != text:
        summaries: list[str] = []
        for ranges in passages.prompt_parts(model, text):
            outputs = yield [_ask(model, part, text[a:b], _PART_WORDS) for a, b in ranges]
            # A model that does not keep to a length is held to it, so that every round is shorter than the one before.
            summaries += [shortened(_read(output), _PART_WORDS) for output in outputs]
        joined = "\n".join(summaries)
        if len(joined) >= len(text):
            raise TextUnfinished(
                "the summaries of the parts of the text are no shorter than the text",
                hint="A model with a longer window, or a larger one, may do.",
            )
        text = joined
    (output,) = yield [_ask(model, last, text, max_words or _USUAL_WORDS)]
    summary = _read(output)
    if max_words and count_words(summary) > max_words:
        (output,) = yield [_ask(model, last, summary, max_words)]
        summary = shortened(_read(output), max_words)
    return summary


def _ask(model: GenerationEngine, instruction: str, text: str, words: int) -> Window:
    messages = [{"role": "system", "content": instruction}, {"role": "user", "content": text}]
    return model.prompt(messages, Sampling(words * _TOKENS_PER_WORD + _EXTRA_TOKENS))


def _read(output: str | None) -> str:
    """The sentences that were finished; all of a text without a sentence's end."""
    text = (output or "").strip()
    if not text:
        raise TextUnfinished("the model answered with nothing", hint="A larger model may do.")
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends else text


def count_words(text: str) -> int:
    """The words of a text; a character of a script without spaces counts as one."""
    return sum(1 for _ in _WORD.finditer(text))


def shortened(text: str, max_words: int) -> str:
    """The sentences that hold at most so many words; of a first one that is longer, its first words and an ellipsis."""
    words = [word.span() for word in _WORD.finditer(text)]
    if len(words) <= max_words:
        return text
    beginning = text[: words[max_words][0]]
    last = max((match.end() for match in _SENTENCE_END.finditer(beginning)), default=0)
    return beginning[:last] if last else f"{text[: words[max_words - 1][1]]}…"
