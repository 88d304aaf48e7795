"""A recipe in plain SQL: the body of a trigger function in PL/pgSQL, and the query of a view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from pg_llm.cleaning.recipe import Condition, Recipe, Step
from pg_llm.cleaning.step_script import Transformation
from pg_llm.cleaning.target_table import TargetTable, Value
from pg_llm.cleaning.update_script import comment, literal
from pg_llm.database.quoting import quote_ident, quote_literal

# SQL for a column of the row, by its name.
Cell = Callable[[str], str]
# Holds what this transaction was warned of, so that it is warned once.
_TOLD = "llm.guard_told"


def expression(recipe: Recipe, position: int, cell: Cell, dependent: bool) -> list[str]:
    """The lines of a CASE for a column: rules by another column if `dependent`, else those by its own value."""
    own = [
        each for each in recipe.transformations if each.position == position and (each.source != position) == dependent
    ]
    rules = recipe.rules.get(position, {})
    chosen = {condition: new for condition, new in rules.items() if (condition.column is not None) == dependent}
    whens = _whens(recipe.target, position, own, chosen, cell)
    name = cell(recipe.target.columns[position].name)
    return [] if not whens else ["CASE", *(f"    {line}" for line in whens), f"    ELSE {name}", "END"]


def step_sql(recipe: Recipe, step: Step) -> list[str]:
    """What a step becomes, as lines of a CASE on the columns' names."""
    own = [each for each in recipe.transformations if each.step == step.number]
    lines = [line for each in own for line in _whens(recipe.target, each.position, [each], {}, quote_ident)]
    rules: defaultdict[int, dict[Condition, Value]] = defaultdict(dict)
    for (position, condition), new in step.rules.items():
        rules[position][condition] = new
    for position, chosen in rules.items():
        lines += _whens(recipe.target, position, [], chosen, quote_ident)
    return lines


def _whens(
    target: TargetTable,
    position: int,
    transformations: Sequence[Transformation],
    rules: Mapping[Condition, Value],
    cell: Cell,
) -> list[str]:
    type_ = target.columns[position].type
    whens = []
    for each in transformations:
        applies, made = each.on(target, cell)
        whens += [comment(each.description), f"WHEN {applies}", f"    THEN {made}"]
    olds: defaultdict[tuple[Value, int | None, Value], list[Value]] = defaultdict(list)
    for condition, new in rules.items():
        olds[new, condition.column, condition.given].append(condition.old)
    for (new, column, given), of in olds.items():
        tests = [_is_one_of(target, position, of, cell)]
        if column is not None:
            tests.insert(0, _is_one_of(target, column, [given], cell))
        whens += [f"WHEN {' AND '.join(tests)}", f"    THEN {literal(new, type_)}"]
    return whens


def _is_one_of(target: TargetTable, position: int, values: Sequence[Value], cell: Cell) -> str:
    column = target.columns[position]
    name = cell(column.name)
    members = [literal(value, column.type) for value in sorted(value for value in values if value is not None)]
    tests = [f"{name} IS NULL"] if None in values else []
    if members:
        tests.append(f"{name} = {members[0]}" if len(members) == 1 else f"{name} IN ({', '.join(members)})")
    return tests[0] if len(tests) == 1 else f"({' OR '.join(tests)})"


def trigger_body(recipe: Recipe, name: str, checks: Sequence[str], enforced: Sequence[tuple[str, str]]) -> str:
    """The function's body: each column by itself, so that one whose rules fail, or are gone, stays as it was written.

    Rules by another column come first, while that is as it was written.

    `checks` are CHECK constraints that the cleaned row may not break, `enforced` names and conditions of rules.
    """
    blocks = [block for dependent in (True, False) for block in _assignments(recipe, dependent)]
    lines = [
        "#variable_conflict use_column",
        "DECLARE",
        f"    guard CONSTANT text := {quote_literal(name)};",
        "    place integer := 0;",
        *["    written record;"] * bool(checks),
        *["    holds boolean;", "    failure text;"] * bool(enforced),
        "BEGIN",
        *["    written := NEW;"] * bool(checks),
        f"    WHILE place < {len(blocks)} AND current_setting('llm.guard', true) IS DISTINCT FROM 'off' LOOP",
        "        BEGIN",
    ]
    for number, block in enumerate(blocks):
        lines += [f"            IF place = {number} THEN", f"                place := {number + 1};"]
        lines += [f"                {line}" for line in block]
        lines.append("            END IF;")
    lines += [
        "        EXCEPTION WHEN others THEN",
        *_warning(12, "a value stays as it was written"),
        "        END;",
        "    END LOOP;",
    ]
    if blocks and checks:
        lines += [
            "    BEGIN",
            "        -- A constraint that the row met as it was written holds it to that.",
            "        IF NOT (SELECT coalesce("
            + ", true) AND coalesce(".join(f"({check})" for check in checks)
            + ", true) FROM (SELECT NEW.*) AS r) THEN",
            "            NEW := written;",
            "        END IF;",
            "    EXCEPTION WHEN others THEN",
            "        NEW := written;",
            *_warning(8, "the row stays as it was written"),
            "    END;",
        ]
    for rule, condition in enforced:
        lines += _enforced(rule, condition)
    return "\n".join([*lines, "    RETURN NEW;", "END"])


def _assignments(recipe: Recipe, dependent: bool) -> list[list[str]]:
    blocks = []
    for position in recipe.positions:
        column = recipe.target.columns[position]
        name = f"NEW.{quote_ident(column.name)}"
        lines = expression(recipe, position, lambda of: f"NEW.{quote_ident(of)}", dependent)
        if not lines:
            continue
        if column.required:
            lines = ["coalesce(" + lines[0], *lines[1:-1], f"END, {name})"]
        places = dict.fromkeys([position, *_sources(recipe, position)] if dependent else [position])
        names = [quote_ident(recipe.target.columns[place].name) for place in places]
        changed = " OR ".join(["TG_OP = 'INSERT'", *(f"NEW.{of} IS DISTINCT FROM OLD.{of}" for of in names)])
        assigned = [f"    {name} := {lines[0]}", *(f"    {line}" for line in lines[1:])]
        assigned[-1] += ";"
        blocks.append([f"IF {changed} THEN", *assigned, "END IF;"])
    return blocks


def _sources(recipe: Recipe, position: int) -> Iterator[int]:
    """The other columns that a column's rules read."""
    yield from (each.source for each in recipe.transformations if each.position == position)
    for condition in recipe.rules.get(position, {}):
        if condition.column is not None:
            yield condition.column


def _warning(indent: int, what: str) -> list[str]:
    told = f"current_setting('{_TOLD}', true)"
    lines = [
        f"IF {told} IS DISTINCT FROM guard THEN",
        f"    PERFORM set_config('{_TOLD}', guard, true);",
        "    RAISE WARNING 'guard of %: %: %', guard, " + f"{quote_literal(what)}, SQLERRM",
        "        USING HINT = 'llm_guard() makes the guard anew, llm_drop_guard() takes it away.';",
        "END IF;",
    ]
    return [" " * indent + line for line in lines]


def _enforced(rule: str, condition: str) -> list[str]:
    """Lines that refuse a row for which a condition is false, or fails."""
    holds = f"SELECT coalesce(({condition}), true) FROM"
    lines = [
        "failure := '';",
        "BEGIN",
        f"    holds := ({holds} (SELECT NEW.*) AS r);",
        "EXCEPTION WHEN others THEN",
        "    holds := NULL;",
        "END;",
        "IF holds IS NULL THEN",
        "    BEGIN",
        "        -- Read once more, as the table's columns may be others by now.",
        f"        EXECUTE {quote_literal(f'{holds} (SELECT ($1).* OFFSET 0) AS r LIMIT 0')} USING NEW;",
        "        BEGIN",
        f"            EXECUTE {quote_literal(f'{holds} (SELECT ($1).*) AS r')} INTO holds USING NEW;",
        "        EXCEPTION WHEN others THEN",
        "            holds := false;",
        "            failure := ': ' || SQLERRM;",
        "        END;",
        "    EXCEPTION WHEN others THEN",
        "        holds := true;",
        *_warning(8, f"rule {quote_ident(rule)} is not checked"),
        "    END;",
        "END IF;",
        "IF NOT holds THEN",
        "    RAISE check_violation USING MESSAGE = 'new row for ' || guard || ' breaks the rule '",
        f"        || {quote_literal(quote_ident(rule))},",
        f"        DETAIL = {quote_literal(condition)} || failure;",
        "END IF;",
    ]
    return [f"    {line}" for line in lines]


def view_query(recipe: Recipe) -> str:
    """The query of a view: the table with its columns, cleaned."""
    inner = _columns(recipe, "t", True)
    source = f"{recipe.target.table.relation} AS t"
    by_others = (condition.column is not None for rules in recipe.rules.values() for condition in rules)
    if not any(by_others) and all(each.source == each.position for each in recipe.transformations):
        return f"SELECT {_columns(recipe, 't', False)}\nFROM {source}"
    return f"SELECT {_columns(recipe, 's', False)}\nFROM (SELECT {inner}\nFROM {source}) AS s"


def _columns(recipe: Recipe, row: str, dependent: bool) -> str:
    positions = {recipe.target.columns[position].name: position for position in recipe.positions}

    def cell(name: str) -> str:
        return f"{row}.{quote_ident(name)}"

    columns = []
    for name in recipe.target.table.columns:
        lines = expression(recipe, positions[name], cell, dependent) if name in positions else []
        columns.append("\n    ".join([*lines[:-1], f"{lines[-1]} AS {quote_ident(name)}"]) if lines else cell(name))
    return ",\n    ".join(columns)
