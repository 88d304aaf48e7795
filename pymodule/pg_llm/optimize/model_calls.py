"""How often a plan calls models: the planner's costs count a cheap condition that comes first as if it did not help."""

from __future__ import annotations

from collections.abc import Callable

from pg_llm.database.connection import Connection
from pg_llm.optimize import plan as planner
from pg_llm.optimize.plan import Node, Plan, Statement

_MODELS = "llm_"
# How many calls a rewrite must leave at most, as a share of those before.
_WORTH = 0.8


def models_last(db: Connection, statement: Statement, plan: Plan, after: Plan) -> str | None:
    """That a scan asks a model about rows which other conditions would leave out; None where none does."""
    left = next((node["Plan Rows"] for node in after.nodes() if node.get("Subplan Name", "").startswith("CTE")), None)
    for node, _ in plan.scans(db):
        parts = planner.read(db, "calls", [str(node.get("Filter", "true"))])[0]
        if left is None or not any(part["model"] for part in parts):
            continue
        first = next(place for place, part in enumerate(parts) if part["model"])
        cheap = [part["text"] for part in parts[:first]] + [str(node[name]) for name in ("Index Cond",) if name in node]
        asked = _rows(db, statement, node, cheap)
        if asked is not None and left < asked * _WORTH:
            return f"equal by definition; a model is asked about {left:,.0f} rows instead of {asked:,.0f}"
    return None


def once_per_row(db: Connection, statement: Statement, plan: Plan, after: Plan) -> str | None:
    """That a model is asked about the rows of a join; None where it is asked about those of one table."""
    left = sum(node["Plan Rows"] for node in after.nodes() if node.get("Subplan Name", "").startswith("CTE"))
    if any(_MODELS in " ".join(node.get("Output", [])) for node in plan.nodes() if "Relation Name" in node):
        return None
    asked = max((_asked(node) for node in plan.nodes()), default=0.0)
    if not left or left >= asked * _WORTH:
        return None
    same = "equal by definition, similarities up to rounding"
    return f"{same}; a model is asked about {left:,.0f} rows instead of {asked:,.0f} combinations"


def _asked(node: Node) -> float:
    """How many combinations of rows a join asks a model about."""
    sides = node.get("Plans", [])
    if _MODELS in node.get("Join Filter", "") and len(sides) == 2:
        return float(sides[0]["Plan Rows"]) * float(sides[1]["Plan Rows"])
    joined = any(len(each.get("Plans", [])) == 2 for each in planner.below(node))
    return float(node["Plan Rows"]) if joined and _MODELS in " ".join(node.get("Output", [])) else 0.0


def _rows(db: Connection, statement: Statement, node: Node, conditions: list[str]) -> float | None:
    """How many rows of the scan's table these conditions leave."""
    schema, table, alias = (planner.quoted(node[name]) for name in ("Schema", "Relation Name", "Alias"))
    where = " AND ".join(f"({condition})" for condition in conditions) or "true"
    found = Statement(db, f"SELECT FROM {schema}.{table} AS {alias} WHERE {where}", statement.path).tried()
    return float(found.tree["Plan Rows"]) if found else None


RULES: dict[str, Callable[[Connection, Statement, Plan, Plan], str | None]] = {
    "models last": models_last,
    "once per row": once_per_row,
}
