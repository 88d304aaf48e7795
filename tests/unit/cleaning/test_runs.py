"""Runs, repairs and overviews on a table that a scripted connection has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from echo import EchoHost
from fake_catalog import FakeCatalog
from fake_connection import Call, FakeConnection
from pg_llm.ask.host import sql_check
from pg_llm.cleaning import overview, repairs, review, runs
from pg_llm.cleaning.host import analysis
from pg_llm.cleaning.host.analysis import run_in_worker
from pg_llm.cleaning.repairs import Choice
from pg_llm.cleaning.review import form_of
from pg_llm.database import relation_names
from pg_llm.database.connection import DatabaseError, Row
from pg_llm.errors import Error, InvalidInput, UndefinedRun
from pg_llm.functions import cleaning as faces

RUN = "c0ffee00-0000-0000-0000-000000000000"
TOWNS = ["Oslo"] * 40 + ["Bergen"] * 40


def key(number: int) -> str:
    return json.dumps({"id": number})


@pytest.fixture
def town(db: FakeConnection) -> FakeConnection:
    """A table with one value that is written in another case, and a run on it."""
    FakeCatalog(db).add("public.town", {"id": "integer", "name": "text", "size": "integer", "note": "text"})
    names = [*TOWNS, "OSLO"]
    content = [
        {"k": key(n), "c0": str(n), "c1": name, "c2": str(n % 7), "c3": None if n % 2 else "x"}
        for n, name in enumerate(names)
    ]
    db.answer("AS c0", content)
    db.answer("INSERT INTO llm.cleaning", [{"id": RUN}])
    row = {"id": RUN, "target": 20000, "columns": ["name", "size"], "rules": "[]"}
    db.answer("FROM llm.cleaning AS r WHERE r.id = $1::uuid", lambda call: [row] if call.values[0] == RUN else [])
    db.answer('SELECT key::text AS key, "column"::text AS "column", value FROM llm.mark', [])
    db.answer('SELECT key::text AS key, "column"::text AS "column", new, state FROM llm.change', [])
    db.answer('SELECT DISTINCT h."column"::text', [])
    db.answer("JOIN unnest($1::jsonb[]) AS k (key)", lambda call: [{"k": k} for k in call.values[0] if k != key(900)])
    db.answer("FROM llm.rule AS r", [])
    db.answer("set_config('llm.guard', $1, true)", [{"set_config": ""}])
    db.answer("INSERT INTO llm.step", [])
    db.answer('SELECT step, "column"::text', lambda _: numbered(db))
    db.answer("DELETE FROM llm.change", [])
    db.answer("INSERT INTO llm.change", [])
    db.answer("INSERT INTO llm.mark", [])
    db.answer("SELECT count(*) AS n FROM llm.change", [{"n": 1}])
    return db


def numbered(db: FakeConnection) -> list[Row]:
    """The steps that were stored, with numbers."""
    steps = [step for call in db.asked("INSERT INTO llm.step") for step in json.loads(call.values[1])]
    return [{"step": number, **step} for number, step in enumerate(steps, 1)]


def stored(db: FakeConnection) -> list[dict[str, Any]]:
    """The changes of the last insertion."""
    changes: list[dict[str, Any]] = json.loads(db.asked("INSERT INTO llm.change")[-1].values[1])
    return changes


@pytest.fixture(autouse=True)
def analysed(host: EchoHost) -> None:
    """The table is analysed in this process; progress is reported to nobody."""
    host.answers["sql_check"] = lambda inputs, options: [
        sql_check.run_in_worker(text, options["purpose"]) for text in inputs
    ]
    host.answers["work"] = lambda _, request: [[run_in_worker(request["options"], *request["inputs"])]]


def test_errors_are_stored_without_repairs(town: FakeConnection) -> None:
    labels = [{"key": {"id": 3}, "column": "name", "value": "Oslo"}]
    assert runs.find_errors(town, "town", ["name"], [], labels) == RUN
    assert town.asked("INSERT INTO llm.cleaning")[0].values == (20000, ["name"], "[]")
    assert town.asked("INSERT INTO llm.mark")[0].values == (RUN, key(3), "name", "Oslo")
    changes = stored(town)
    assert [(change["key"], change["column"], change["old"]) for change in changes] == [({"id": 80}, "name", "OSLO")]
    assert changes[0]["state"] == "found"
    assert changes[0]["detector"] == "case"
    assert "new" not in changes[0]


def test_repairs_are_proposed(town: FakeConnection) -> None:
    assert runs.propose_repairs(town, RUN) == 1
    (change,) = stored(town)
    assert change["state"] == "proposed"
    assert change["new"] == "Oslo"
    assert change["confidence"] >= 0.9
    assert change["step"] == 1
    assert numbered(town)[0]["description"] == "one writing of values that differ by case and space"
    # What was found before is replaced, what was applied stays.
    assert "state IN ('found', 'proposed')" in town.asked("DELETE FROM llm.change")[0].query


def test_a_marked_cell_is_repaired_as_marked(town: FakeConnection) -> None:
    town.answer(
        'SELECT key::text AS key, "column"::text AS "column", value FROM llm.mark',
        [{"key": key(5), "column": "name", "value": "Hamar"}, {"key": key(999), "column": "name", "value": "gone"}],
    )
    runs.propose_repairs(town, RUN)
    changes = {change["key"]["id"]: change for change in stored(town)}
    assert changes[5]["new"] == "Hamar"
    assert changes[5]["detector"] == "mark"
    assert 999 not in changes


def test_a_repair_that_a_constraint_forbids_is_not_proposed(town: FakeConnection) -> None:
    row = {"id": RUN, "target": 20000, "columns": ["name"], "rules": '[{"column": "name", "check": "size > 0"}]'}
    town.answer("FROM llm.cleaning AS r WHERE r.id = $1::uuid", [row])

    def violating(call: Call) -> list[Row]:
        return [{"k": record["k"]} for record in json.loads(call.values[0]) if record["p"]]

    town.answer("WHERE NOT (SELECT (size > 0)", lambda call: [{"k": json.dumps(each["k"])} for each in violating(call)])
    runs.propose_repairs(town, RUN)
    assert [change["state"] for change in stored(town)] == ["found"]


@pytest.mark.parametrize(
    "labels",
    [
        {},
        [1],
        [{"key": {"id": 1}}],
        [{"key": 1, "column": "name", "value": "x"}],
        [{"key": {}, "column": "name", "value": 1}],
    ],
)
def test_labels_that_are_none(town: FakeConnection, labels: Any) -> None:
    with pytest.raises(InvalidInput, match="label"):
        runs.find_errors(town, "town", None, [], labels)
    assert not town.asked("INSERT INTO llm.cleaning")


def test_columns_and_tables_that_are_not_there(town: FakeConnection) -> None:
    with pytest.raises(InvalidInput, match='no column "mayor" that can be cleaned'):
        runs.find_errors(town, "town", ["mayor"], [], [])
    with pytest.raises(InvalidInput, match="there is no table city"):
        runs.find_errors(town, "city", None, [], [])
    with pytest.raises(UndefinedRun, match="no run x of yours"):
        runs.propose_repairs(town, "x")


def test_a_mark_is_of_a_cell_that_exists(town: FakeConnection) -> None:
    runs.mark(town, RUN, key(1), "name", None)
    assert town.asked("INSERT INTO llm.mark")[-1].values == (RUN, key(1), "name", None)
    with pytest.raises(InvalidInput, match="has no row") as raised:
        runs.mark(town, RUN, key(900), "name", "x")
    assert raised.value.hint is not None
    assert '"id": …' in raised.value.hint


def questions(columns: dict[str, list[review.Value]], answers: dict[str, dict[str, review.Value]], k: int) -> list[Any]:
    """What is asked of a table without doubts: the column and the value."""
    forms = [
        form
        for name, values in columns.items()
        for form in review.of_column(name, [(str(n), value) for n, value in enumerate(values)], answers.get(name, {}))
    ]
    counts = {name: len(of) for name, of in answers.items()}
    return [(each["column"], each["old"]) for each in review.choose([], forms, 1.0, counts, k)]


def test_questions_are_of_several_columns_and_forms() -> None:
    weights = [f"{n} oz" for n in range(80)]
    columns: dict[str, list[review.Value]] = {
        "weight": [*weights[:40], *map(str, range(40))],
        "name": ["Anna Berg", "Carl Dahl"] * 40,
        "note": [None] * 80,
    }
    # Where forms are mixed, both are asked about before the column with one form, and what is missing last.
    assert {(column, form_of(old)) for column, old in questions(columns, {}, 2)} == {("weight", "9 a"), ("weight", "9")}
    assert questions(columns, {}, 40)[-1] != ("note", None)
    # A form that is wrong is asked about until it is learnt, and then no more.
    wrong = {"weight": {"0": "0", "1": "1"}}
    assert [form_of(old) for _, old in questions(columns, wrong, 1)] == ["9 a"]
    many = {"weight": {str(n): str(n) for n in range(8)}}
    asked = questions(columns | {"weight": weights}, many, 3)
    assert len(set(asked)) == 3
    # One value after the other: a second answer bears the first out.
    codes: dict[str, list[review.Value]] = {"code": ["a.", "b.", "c."] * 20}
    assert questions(codes, {"code": {"0": "ash", "1": "box", "2": "cedar", "4": "box"}}, 2) == [
        ("code", "a."),
        ("code", "c."),
    ]


def test_doubts_are_asked_about_by_what_they_tell_of_others() -> None:
    doubts = [
        {"key": str(n), "column": column, "detector": "source", "gain": gain, "of_detector": 90.0, "old": "x"}
        for column, gain in (("a", 10.0), ("b", 8.0))
        for n in range(3)
    ]
    asked = review.choose(doubts, [], 1.0, {"a": 0}, 4)
    assert [each["column"] for each in asked] == ["a", "b", "a", "b"]
    assert "gain" not in asked[0]


def test_cells_to_review_are_unmarked(town: FakeConnection) -> None:
    doubted = {"key": key(1), "column": "name", "old": "OSLO", "new": "Oslo", "confidence": 0.5, "alike": 9}
    town.answer("WHERE c.rank <= $2", [doubted | {"detector": "case", "gain": 5.0, "of_detector": 5.0}])
    town.answer("c.key = ANY($2::jsonb[])", [{"key": key(80), "column": "name"}])
    first, *others = faces.llm_review.__wrapped__(town, RUN, 3)
    assert first == doubted
    assert {(each["column"], each["old"], each["new"]) for each in others} == {
        ("name", "Oslo", None),
        ("size", "0", None),
    }
    assert {each["alike"] for each in others} == {80, 81}
    assert "NOT EXISTS ( SELECT FROM llm.mark" in town.asked("WHERE c.rank <= $2")[-1].query
    # A form whose answer was written otherwise is asked about again, and before all others.
    marks = [{"key": key(0), "column": "size", "value": "10 m"}]
    town.answer('SELECT key::text AS key, "column"::text AS "column", value FROM llm.mark', marks)
    again = faces.llm_review.__wrapped__(town, RUN, 5)
    assert [each["column"] for each in again[:2]] == ["size", "size"]
    assert len({(each["key"], each["column"]) for each in again}) == 5
    town.answer("AS c0", [])
    town.answer("WHERE c.rank <= $2", [])
    assert faces.llm_review.__wrapped__(town, RUN, 3) == []
    with pytest.raises(InvalidInput, match="k must be at least 1, not 0"):
        faces.llm_review.__wrapped__(town, RUN, 0)


def changes(*numbers: int) -> list[Row]:
    return [{"key": key(number), "before": f"old {number}", "after": f"new {number}"} for number in numbers]


@pytest.fixture
def applied(town: FakeConnection) -> FakeConnection:
    """Two proposed changes of the column name; the table stores what it is given in capitals."""
    town.answer("AS before", lambda call: changes(1, 2) if call.values[1] == "name" else [])
    town.answer(
        "RETURNING c.key::pg_catalog.text",
        lambda call: [{"key": k, "stored": v.upper()} for k, v in zip(call.values[0], call.values[2], strict=True)],
    )
    town.answer("UPDATE llm.change AS c SET state = $5", [])
    town.answer("UPDATE llm.change SET state = coalesce($5, state)", [])
    return town


def test_changes_are_written_at_once(applied: FakeConnection) -> None:
    assert repairs.apply(applied, RUN, 0.7, Choice()) == {"applied": 2, "changed_meanwhile": 0, "refused": 0}
    (written,) = applied.asked("UPDATE public.town AS t SET name")
    assert written.values == ([key(1), key(2)], ["old 1", "old 2"], ["new 1", "new 2"])
    # Under the caller's search path no name is looked up.
    assert "OPERATOR(pg_catalog.=)" in written.query
    assert applied.asked("AS before")[0].values == (RUN, "name", 0.7, None, None)
    (recorded,) = applied.asked("UPDATE llm.change AS c SET state = $5")
    assert recorded.values == (RUN, "name", [key(1), key(2)], ["NEW 1", "NEW 2"], "applied")
    assert applied.settings["search_path"] == "public"


def test_a_cell_that_changed_is_left_alone(applied: FakeConnection) -> None:
    applied.answer("RETURNING c.key::pg_catalog.text", [{"key": key(1), "stored": "new 1"}])
    assert repairs.apply(applied, RUN, 0.0, Choice()) == {"applied": 1, "changed_meanwhile": 1, "refused": 0}


def test_what_the_table_refuses_is_noted(applied: FakeConnection) -> None:
    def write(call: Call) -> list[Row]:
        if key(2) in call.values[0]:
            raise DatabaseError("value too long", "22001")
        return [{"key": key(1), "stored": "new 1"}]

    applied.answer("RETURNING c.key::pg_catalog.text", write)
    assert repairs.apply(applied, RUN, 0.0, Choice()) == {"applied": 1, "changed_meanwhile": 0, "refused": 1}
    (noted,) = applied.asked("reason = reason || '; refused: '")
    assert noted.values == (RUN, "name", key(2), "value too long", "refused")
    assert applied.rollbacks == 2


@pytest.mark.parametrize("state", ["57014", "42501"])
def test_other_errors_end_the_work(applied: FakeConnection, state: str) -> None:
    applied.fail("RETURNING c.key::pg_catalog.text", DatabaseError("no", state))
    with pytest.raises(DatabaseError):
        repairs.apply(applied, RUN, 0.0, Choice())
    assert not applied.asked("refused:")


def test_old_values_are_restored(applied: FakeConnection) -> None:
    applied.answer("RETURNING c.key::pg_catalog.text", [{"key": key(1), "stored": "old 1"}])
    left = [{"key": key(2)}, {"key": key(3)}]
    applied.answer("AS key FROM llm.change WHERE run = $1::uuid AND state = 'applied'", left)
    applied.answer("JOIN unnest($1::jsonb[]) AS k (key)", [{"k": key(2)}])
    assert repairs.roll_back(applied, RUN) == {"restored": 1, "edited": 1, "gone": 1}
    read = applied.asked("AS before")[0]
    assert "new AS before, old AS after" in read.query
    assert read.values == (RUN, "name")
    assert "new = c.new" in applied.asked("UPDATE llm.change AS c SET state = $5")[0].query


def test_applied_repairs_become_an_update(town: FakeConnection) -> None:
    change = {"key": key(80), "column": "name", "old": "Osloo", "new": "OSLO", "given": None, "step": None}
    town.answer("given::text AS given, step FROM llm.change", [change])
    town.answer("FROM llm.step WHERE run = $1::uuid AND expression", [])
    script = repairs.as_update(town, RUN, None)
    assert script.startswith("UPDATE public.town SET\n    name = CASE\n")
    assert "WHEN name = 'Osloo' THEN 'OSLO'" in script
    assert script.endswith("WHERE name IN ('Osloo');")
    FakeCatalog(town).add("public.city", {"id": "integer", "name": "text"})
    with relation_names.fresh(town), pytest.raises(InvalidInput, match="there is no table village"):
        repairs.as_update(town, RUN, "village")


def test_a_profile_of_each_column(town: FakeConnection) -> None:
    profiles = {each["column"]: each for each in overview.profiles(town, "town")}
    assert list(profiles) == ["id", "name", "size", "note"]
    assert profiles["id"]["likely_key"] is True
    assert profiles["size"] | {"patterns": None} == {
        "column": "size",
        "type": "integer",
        "looks_like": "integer",
        "share": 1.0,
        "missing": 0,
        "distinct": 7,
        "likely_key": False,
        "patterns": None,
        "outliers": 0,
        "determined_by": [],
    }
    assert profiles["note"]["missing"] == 40
    assert json.loads(profiles["name"]["patterns"]) == {"a": 81}


def test_faces_pass_on(applied: FakeConnection) -> None:
    done = {"applied": 2, "changed_meanwhile": 0, "refused": 0}
    assert faces.llm_apply.__wrapped__(applied, RUN, None, None, None, None) == [done]
    assert faces.llm_find_errors.__wrapped__(applied, "town", None, None, None) == RUN
    assert faces.llm_propose_repairs.__wrapped__(applied, RUN) == 1
    assert [each["column"] for each in faces.llm_profile.__wrapped__(applied, "town")] == ["id", "name", "size", "note"]
    for face in (faces.llm_profile, faces.llm_find_errors):
        with pytest.raises(InvalidInput, match="target must not be NULL"):
            face.__wrapped__(applied, None, *(None,) * (face.__wrapped__.__code__.co_argcount - 2))


@pytest.mark.parametrize("options", [{"do": "rows"}, {"do": "part", "part": 0}, {"do": "profile"}])
def test_a_process_that_was_lost_on_the_way_says_so(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    monkeypatch.setattr(analysis, "_session", analysis._Session())
    with pytest.raises(Error, match="the process that analysed the table has ended"):
        run_in_worker(options, "a")
