"""SQL: cleaning of tables: errors found, repairs proposed, applied, undone, and turned into plain SQL."""

from __future__ import annotations

from typing import Any

from pg_llm import arguments
from pg_llm.cleaning import guard, kept_rules, overview, repairs, review, runs, steps
from pg_llm.database.connection import Connection
from pg_llm.database.sql_function import sql_function
from pg_llm.errors import InvalidInput


@sql_function
def llm_profile(db: Connection, target: str | None) -> list[dict[str, Any]]:
    """What the columns of a table hold: types, missing and distinct values, patterns, likely keys, dependencies."""
    return overview.profiles(db, arguments.required("target", target))


@sql_function
def llm_find_errors(db: Connection, target: str | None, columns: list[str] | None, rules: Any, labels: Any) -> str:
    """Find the cells of a table that look wrong and write them to llm.change; returns the run."""
    target = arguments.required("target", target)
    return runs.find_errors(db, target, columns, [] if rules is None else rules, [] if labels is None else labels)


@sql_function
def llm_propose_repairs(db: Connection, run: str | None) -> int:
    """Fill in what the cells of a run should hold, as far as that is known; returns for how many it is."""
    return runs.propose_repairs(db, run)


@sql_function
def llm_mark(db: Connection, run: str | None, key: str | None, column: str | None, value: str | None) -> None:
    """Say what a cell should hold, so that the next llm_propose_repairs learns from it; right values count too."""
    runs.mark(db, run, key, column, value)


@sql_function
def llm_review(db: Connection, run: str | None, k: int | None) -> list[dict[str, Any]]:
    """The cells that are worth marking next: those that decide most others and are least sure."""
    if k is None or k < 1:
        raise InvalidInput(f"k must be at least 1, not {k}")
    return review.cells_to_ask(db, runs.find(db, run), k)


@sql_function
def llm_steps(db: Connection, run: str | None) -> list[dict[str, Any]]:
    """The repairs of a run as steps of a recipe, one transformation per column and kind, with counts and examples."""
    return steps.overview(db, runs.find(db, run).id)


@sql_function
def llm_accept(
    db: Connection, run: str | None, step: int | None, column: str | None, detector: str | None, key: str | None
) -> int:
    """Accept repairs of a run by step, column, detector or row: llm_apply writes them whatever their confidence."""
    return steps.decide(db, runs.find(db, run).id, step, column, detector, key, accepted=True)


@sql_function
def llm_refuse(
    db: Connection, run: str | None, step: int | None, column: str | None, detector: str | None, key: str | None
) -> int:
    """Refuse repairs of a run by step, column, detector or row: they are not applied, nor proposed again."""
    return steps.decide(db, runs.find(db, run).id, step, column, detector, key, accepted=False)


@sql_function
def llm_apply(
    db: Connection,
    run: str | None,
    min_confidence: float | None,
    step: int | None,
    column: str | None,
    detector: str | None,
) -> list[dict[str, Any]]:
    """Write the proposed repairs of a run into the table, where its cells still hold what was found."""
    least = 0.0 if min_confidence is None else min_confidence
    return [repairs.apply(db, run, least, repairs.Choice(step, column, detector))]


@sql_function
def llm_rollback(db: Connection, run: str | None) -> list[dict[str, Any]]:
    """Put the old values back where a cell still holds what llm_apply wrote; edited and deleted ones are counted."""
    return [repairs.roll_back(db, run)]


@sql_function
def llm_rules(db: Connection, run: str | None, target: str | None) -> str:
    """The applied repairs of a run as one UPDATE that needs no model, for the same or another table."""
    return repairs.as_update(db, run, target)


@sql_function
def llm_guard(db: Connection, target: str | None, run: str | None, mode: str | None) -> list[dict[str, Any]]:
    """Let the accepted repairs of a run clean what is written to a table from now on, in plain SQL, or show a view."""
    return guard.create(db, arguments.required("target", target), run, mode)


@sql_function
def llm_drop_guard(db: Connection, target: str | None) -> bool:
    """Take the guard of a table away, trigger and view; false if it has none."""
    return guard.drop(db, arguments.required("target", target))


@sql_function
def llm_define_rule(
    db: Connection, target: str | None, name: str | None, sql: str | None, definition: Any, severity: str | None
) -> None:
    """Keep a rule that the rows of a table must follow, in place of your rule of that name on that table."""
    kept_rules.define(db, arguments.required("target", target), name, sql, definition, severity)


@sql_function
def llm_drop_rule(db: Connection, target: str | None, name: str | None) -> None:
    """Forget a rule of yours on a table."""
    kept_rules.drop(db, arguments.required("target", target), name)


@sql_function
def llm_check(db: Connection, target: str | None) -> list[dict[str, Any]]:
    """How many rows of a table break each of your rules, with examples and what would satisfy the rule there."""
    return kept_rules.check(db, arguments.required("target", target))
