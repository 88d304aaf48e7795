"""What can be told of a statement by its text alone: rewrites that may be cheaper; and what a plan's conditions ask of.

Nothing here knows a table: whether a rewrite is equal and cheaper is for the database to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pg_llm.errors import InvalidInput
from pg_llm.models.engine import Engine
from pg_llm.optimize.host import conditions, model_call_rules, rewrite_rules, sql_tree
from pg_llm.tasks import WorkItem, worker_process


def prepare(model: Engine | None, inputs: Sequence[str], options: dict[str, Any]) -> list[WorkItem]:
    """Option `read` is statement, condition, calls or sort key; each result is a JSON list. Raises InvalidInput."""
    how = options["read"]
    return [WorkItem((), lambda _, text=text: worker_process.call("optimization", how, text)) for text in inputs]  # type: ignore[misc]


def run_in_worker(how: str, text: str) -> str:
    """What is read; the parser is PostgreSQL's own, whose names inside a server would be taken for the server's."""
    try:
        return json.dumps(_READ[how](text))
    except RecursionError:
        raise InvalidInput("sql is nested too deeply", hint="Ask about a part of it.") from None


def _rewritten(text: str) -> list[dict[str, Any]]:
    """Each rewrite as `rule`, `sql` and what it `needs` in order to be equal."""
    sql_tree.select(text)
    return [found for rule in (*rewrite_rules.RULES, *model_call_rules.RULES) if (found := rule(text)) is not None]


_READ: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "statement": _rewritten,
    "condition": conditions.terms,
    "calls": conditions.calls,
    "sort key": conditions.sort_key,
}
