"""Constrained decoding of SQL: a generation model can only write keywords and names that exist.

An input is a conversation, a JSON list of messages with `role` and `content`. Options: `names` of tables and columns,
quoted as in SQL; `temperatures`, one sample each; `max_tokens` as in generation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from pg_llm.ask.host.sql_check import FUNCTIONS, TYPES
from pg_llm.generate.host import generation
from pg_llm.models.engine import Engine, GenerationEngine
from pg_llm.tasks import WorkItem

_KEYWORDS = """
    select distinct from where group by having order limit offset join inner left right full outer cross lateral on
    using as and or not in is null true false like ilike between exists case when then else end asc desc nulls first
    last union intersect except all any with recursive over partition filter within rows range interval current_date
    year month day week quarter hour current_timestamp at time zone on
""".split()
_GRAMMAR = r"""
start: HEAD (SEPARATOR word)* SEPARATOR? ";"
word: KEYWORD | NAME | NUMBER | STRING | ALIAS
HEAD: /(?i:select|with)/
SEPARATOR: /[ \n(),.*=<>+\/%%|:!-]+/
KEYWORD: /(?i:%s)/
NAME: /%s/
NUMBER: /[0-9]+(\.[0-9]+)?/
STRING: /'([^'\n]|''){0,100}'/
ALIAS: /[a-z][a-z]?[0-9]?/
"""


def prepare(model: Engine, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """A JSON list with one statement per temperature; empty texts for unfinished ones."""
    writer = cast(GenerationEngine, model)
    constraint = grammar(options["names"])
    samplings = [
        generation.sampling({**options, "temperature": temperature, "seed": seed}, None, constraint)
        for seed, temperature in enumerate(options["temperatures"])
    ]
    return [
        WorkItem(
            [writer.prompt(json.loads(conversation), sampling) for sampling in samplings],
            lambda outputs: json.dumps([written or "" for written in outputs]),
        )
        for conversation in inputs
    ]


def grammar(names: Sequence[str]) -> str:
    """A grammar of SELECT statements over SQL's keywords, the allowed functions and these names."""
    words = "|".join(sorted({*_KEYWORDS, *FUNCTIONS, *TYPES}))
    name_pattern = "|".join(_escaped(name) for name in sorted(set(names), key=lambda name: (-len(name), name)))
    return _GRAMMAR % (words, name_pattern or "[a-z]")


def _escaped(name: str) -> str:
    return re.sub(r"([^\w\"])", lambda match: "\\" + match[1] if match[1] != "\n" else r"\n", name)
