"""Analyse statements by their syntax tree alone: possible rewrites, and the terms of plan conditions.

Tables are unknown here: whether a rewrite is equal and cheaper is for the database to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine
from pg_llm.optimize.host import conditions, model_call_rules, rewrite_rules, sampling, sql_tree
from pg_llm.tasks import WorkItem, worker_process


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """Option `read` names an analyzer; each result is a JSON list. Raises InvalidInput."""
    analyzer = options["read"]
    return [WorkItem((), lambda _, text=text: worker_process.call("optimization", analyzer, text)) for text in inputs]  # type: ignore[misc]


def run_in_worker(analyzer: str, text: str) -> str:
    """Analyse one text; in a child process, as the parser is PostgreSQL's own and its symbols clash in a server."""
    try:
        return json.dumps(_ANALYZERS[analyzer](text))
    except RecursionError:
        raise InvalidInput("sql is nested too deeply", hint="Ask about a part of it.") from None


def _rewrites(text: str) -> list[dict[str, Any]]:
    """Each possible rewrite: its `rule`, its `sql`, and what it `needs` to be equal."""
    sql_tree.select(text)
    return [rewrite for rule in (*rewrite_rules.RULES, *model_call_rules.RULES) if (rewrite := rule(text)) is not None]


_ANALYZERS: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "statement": _rewrites,
    "condition": conditions.indexable_terms,
    "calls": conditions.model_calls,
    "sort key": conditions.sort_key,
    "references": sampling.references,
}
