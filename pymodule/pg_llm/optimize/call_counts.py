"""Estimate how often a plan calls models, as the planner does not credit cheap conditions that are evaluated first."""

from __future__ import annotations

from collections.abc import Callable

from pg_llm.database.connection import Connection
from pg_llm.database.quoting import quote_ident
from pg_llm.optimize import plan as planner
from pg_llm.optimize.plan import Node, Plan, Statement

_MODEL_PREFIX = "llm_"
# A rewrite must leave at most this share of the calls.
_MOST_REMAINING = 0.8


def models_last(db: Connection, statement: Statement, plan: Plan, after: Plan) -> str | None:
    """Evidence that fewer rows reach a model call once other conditions are applied first; None if there is none."""
    after_count = next(
        (node["Plan Rows"] for node in after.nodes() if node.get("Subplan Name", "").startswith("CTE")), None
    )
    for node, _ in plan.scans(db):
        conditions = planner.analyze(db, "calls", [str(node.get("Filter", "true"))])[0]
        if after_count is None or not any(part["model"] for part in conditions):
            continue
        first_model = next(index for index, part in enumerate(conditions) if part["model"])
        cheap = [part["text"] for part in conditions[:first_model]] + [
            str(node[name]) for name in ("Index Cond",) if name in node
        ]
        before = _remaining_rows(db, statement, node, cheap)
        if before is not None and after_count < before * _MOST_REMAINING:
            return f"equal by definition; a model is asked about {after_count:,.0f} rows instead of {before:,.0f}"
    return None


def once_per_row(db: Connection, statement: Statement, plan: Plan, after: Plan) -> str | None:
    """Evidence that calls per row replace calls per combination of joined rows; None if there is none."""
    after_count = sum(node["Plan Rows"] for node in after.nodes() if node.get("Subplan Name", "").startswith("CTE"))
    if any(_MODEL_PREFIX in " ".join(node.get("Output", [])) for node in plan.nodes() if "Relation Name" in node):
        return None
    before = max((_calls_of_join(node) for node in plan.nodes()), default=0.0)
    if not after_count or after_count >= before * _MOST_REMAINING:
        return None
    same = "equal by definition, similarities up to rounding"
    return f"{same}; a model is asked about {after_count:,.0f} rows instead of {before:,.0f} combinations"


def _calls_of_join(node: Node) -> float:
    """How many combinations of rows a join calls a model for."""
    sides = node.get("Plans", [])
    if _MODEL_PREFIX in node.get("Join Filter", "") and len(sides) == 2:
        return float(sides[0]["Plan Rows"]) * float(sides[1]["Plan Rows"])
    joined = any(len(part.get("Plans", [])) == 2 for part in planner.subtree(node))
    return float(node["Plan Rows"]) if joined and _MODEL_PREFIX in " ".join(node.get("Output", [])) else 0.0


def _remaining_rows(db: Connection, statement: Statement, node: Node, conditions: list[str]) -> float | None:
    """The planner's estimate of the rows that satisfy these conditions."""
    schema, table, alias = (quote_ident(node[name]) for name in ("Schema", "Relation Name", "Alias"))
    where = " AND ".join(f"({condition})" for condition in conditions) or "true"
    plan = Statement(db, f"SELECT FROM {schema}.{table} AS {alias} WHERE {where}", statement.path).try_explain()
    return float(plan.tree["Plan Rows"]) if plan else None


RULES: dict[str, Callable[[Connection, Statement, Plan, Plan], str | None]] = {
    "models last": models_last,
    "once per row": once_per_row,
}
