"""Entities by a language model: it names what it finds, and each name is looked up in the text.

The result is as that of the task `entities`, with null for the score, which a generative model does not give. Option
`labels`: a list of [name, description or null]; `instruction`, guidelines, where they are given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from pg_llm.errors import TextUnfinished
from pg_llm.generate.host import extraction
from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import Steps, WorkItem, passages, stepwise

_PROMPT = (
    "Find every mention in the text of one of these kinds: {kinds}. Answer with a JSON object whose list mentions holds"
    " each one, copied exactly from the text, with its kind. The list is empty if the text has none."
)
_MAX_TOKENS = 1024
# Characters of a part, in which so many mentions at most are looked for; shorter parts are not divided further.
_PART, _LEAST_PART = 1500, 200
_MAX_MENTIONS = 20
_CHARACTERS_PER_MENTION = 12


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """One work item per text; a long text is read in parts."""
    return [stepwise(_find(cast(GenerationEngine, model), text, options["labels"])) for text in inputs]


def _find(model: GenerationEngine, text: str, labels: Sequence[Sequence[str | None]]) -> Steps:
    kinds = "; ".join(f"{name} ({description})" if description else str(name) for name, description in labels)
    prompt = _PROMPT.format(kinds=kinds)
    names = [name for name, _ in labels]
    waiting = list(passages.ranges(text, _PART))[::-1]
    written: list[str] = []
    while waiting:
        start, end = waiting.pop()
        part = text[start:end]
        if not part.strip():
            continue
        work = extraction.work(model, _schema(names, part), prompt, part, _MAX_TOKENS, _to_json)
        answer = json.loads(str(work.finish((yield work.windows))))
        if answer is None:
            # More mentions than the answer has room for, or a model that repeats itself: it is asked about half.
            if end - start <= _LEAST_PART:
                raise TextUnfinished(
                    f"the model did not finish its list of the entities in a text of {end - start} characters",
                    hint="A larger model, or fewer labels, may do.",
                )
            waiting += [(start + a, start + b) for a, b in passages.ranges(part, (end - start + 1) // 2)][::-1]
            continue
        found = locate(part, [(item.get("text"), item.get("kind")) for item in answer.get("mentions") or ()])
        written += [json.dumps([kind, start + a, start + b, None], ensure_ascii=False) for kind, a, b in found]
    return f"[{', '.join(written)}]"


def _schema(names: Sequence[str | None], text: str) -> dict[str, Any]:
    mention = {"type": "object", "properties": {"text": {"type": "string"}, "kind": {"enum": list(names)}}}
    most = min(_MAX_MENTIONS, 1 + len(text) // _CHARACTERS_PER_MENTION)
    return {"type": "object", "properties": {"mentions": {"type": "array", "items": mention, "maxItems": most}}}


def _to_json(answer: Any) -> str:
    return json.dumps(answer)


def locate(text: str, mentions: Sequence[tuple[Any, Any]]) -> list[tuple[str, int, int]]:
    """All places of some names in a text with their kinds, in order; where two overlap the longer one counts.

    A name that is given several times with different kinds has them one after the other.
    """
    kinds: dict[str, list[str]] = {}
    for name, kind in mentions:
        if isinstance(name, str) and name.strip() and isinstance(kind, str):
            kinds.setdefault(name.strip(), []).append(kind)
    found: list[tuple[str, int, int]] = []
    taken = bytearray(len(text))
    for name in sorted(kinds, key=lambda name: (-len(name), name)):
        places = [match.span() for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)]
        # In a script without spaces, which has no capitals either, no name stands by itself.
        if not places and name.lower() == name.upper():
            places = [match.span() for match in re.finditer(re.escape(name), text)]
        for number, (start, end) in enumerate(places):
            if not any(taken[start:end]):
                taken[start:end] = b"\1" * (end - start)
                found.append((kinds[name][min(number, len(kinds[name]) - 1)], start, end))
    return sorted(found, key=lambda each: each[1:])
