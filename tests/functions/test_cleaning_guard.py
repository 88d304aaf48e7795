"""The whole way of an export: errors found, a recipe accepted and applied, kept as a guard, and all of it undone."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors
from psycopg.types.json import Jsonb

Connect = Callable[..., psycopg.Connection]
COLUMNS = "id int PRIMARY KEY, zip text, city text, kind text, beds text, price text, opened text, note varchar(20)"
CITIES = ["Oslo", "Bergen", "Hamar", "Molde", "Larvik"]


def rows(first: int, last: int, dirty: bool) -> list[tuple[object, ...]]:
    """An export: units, decimal commas, other dates, words for no value, spaces and case; and what they mean."""
    made: list[tuple[object, ...]] = []
    for n in range(first, last):
        city: str | None = CITIES[n // 12 % 5]
        kind, beds, price, opened, note = (
            ("public", "private")[n % 2],
            str(20 + n % 9),
            f"{10 + n % 60}.{n % 90 + 10}",
            f"20{10 + n % 9}-{n % 12 + 1:02}-{n % 28 + 1:02}",
            None if n % 11 == 5 else f"ward {n % 7}",
        )
        row = [n, f"Z{10 + n // 12 % 5}", city, kind, beds, price, opened, note]
        if dirty:
            if n % 17 == 3:
                row[4] = f"{beds} beds"
            if n % 13 == 4:
                row[5] = price.replace(".", ",")
            if n % 19 == 6:
                year, month, day = opened.split("-")
                row[6] = f"{day}.{month}.{year}"
            if n % 11 == 5:
                row[7] = "N/A"
            if n % 23 == 7:
                row[2] = f" {city}"
            if n % 29 == 8:
                row[3] = kind.upper()
        made.append(tuple(row))
    return made


def load(db: psycopg.Connection, table: str, content: list[tuple[object, ...]]) -> None:
    with db.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in content:
            copy.write_row(row)


def content(db: psycopg.Connection, table: str = "clinic") -> list[tuple[object, ...]]:
    return db.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


@pytest.fixture
def clinic(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(f"CREATE TABLE clinic ({COLUMNS})")
    load(db, "clinic", rows(0, 600, dirty=True))
    return db


def recipe(db: psycopg.Connection) -> str:
    """A run all of whose repairs are accepted and applied."""
    run = str(value(db, "SELECT llm_find_errors('clinic')"))
    db.execute("SELECT llm_propose_repairs(%s)", (run,))
    for (step,) in db.execute("SELECT step FROM llm_steps(%s)", (run,)).fetchall():
        db.execute("SELECT llm_accept(%s, %s)", (run, step))
    db.execute("SELECT llm_apply(%s)", (run,))
    return run


def test_the_next_export_is_clean_on_arrival_and_all_can_be_undone(clinic: psycopg.Connection) -> None:
    before = content(clinic)
    run = recipe(clinic)
    assert content(clinic) == rows(0, 600, dirty=False)
    guarded = clinic.execute("SELECT \"column\", cells, covered, note FROM llm_guard('clinic', %s)", (run,)).fetchall()
    assert {row[0] for row in guarded} == {"city", "kind", "beds", "price", "opened", "note"}
    assert all(row[1] == row[2] and row[3] is None for row in guarded), guarded
    calls = value(clinic, "SELECT coalesce(sum(calls), 0) FROM llm_status()")
    # Values among them that no row had before.
    load(clinic, "clinic", rows(600, 1400, dirty=True))
    assert content(clinic) == rows(0, 1400, dirty=False)
    assert value(clinic, "SELECT coalesce(sum(calls), 0) FROM llm_status()") == calls
    clinic.execute("SELECT llm_rollback(%s)", (run,))
    assert content(clinic)[:600] == before
    assert value(clinic, "SELECT llm_drop_guard('clinic')")
    load(clinic, "clinic", rows(1400, 1500, dirty=True))
    assert content(clinic)[1400:] == rows(1400, 1500, dirty=True)
    assert not value(clinic, "SELECT llm_drop_guard('clinic')")


def test_a_preview_makes_nothing_and_a_view_shows_the_table_clean(clinic: psycopg.Connection) -> None:
    clean = rows(0, 600, dirty=False)
    run = str(value(clinic, "SELECT llm_find_errors('clinic')"))
    clinic.execute("SELECT llm_propose_repairs(%s)", (run,))
    with pytest.raises(errors.InvalidParameterValue, match="no repair that a guard could repeat"):
        clinic.execute("SELECT * FROM llm_guard('clinic', %s)", (run,))
    for (step,) in clinic.execute("SELECT step FROM llm_steps(%s)", (run,)).fetchall():
        clinic.execute("SELECT llm_accept(%s, %s)", (run, step))
    shown = clinic.execute("SELECT \"column\", sql FROM llm_guard('clinic', %s, 'preview')", (run,)).fetchall()
    assert any("WHEN length(beds)" in sql for column, sql in shown if column == "beds")
    assert not value(clinic, "SELECT llm_drop_guard('clinic')")
    # Accepted, and not applied: the table stays as it is.
    clinic.execute("SELECT llm_guard('clinic', %s, mode => 'view')", (run,))
    assert content(clinic, "clinic_clean") == clean
    load(clinic, "clinic", rows(600, 700, dirty=True))
    assert content(clinic, "clinic_clean") == rows(0, 700, dirty=False)
    assert content(clinic)[:600] == rows(0, 600, dirty=True)
    clinic.execute("SELECT llm_guard('clinic', %s, mode => 'view')", (run,))
    assert value(clinic, "SELECT llm_drop_guard('clinic')")
    with pytest.raises(errors.InvalidParameterValue, match='mode is "column"'):
        clinic.execute("SELECT llm_guard('clinic', %s, mode => 'column')", (run,))


@pytest.fixture
def guarded(clinic: psycopg.Connection) -> psycopg.Connection:
    clinic.execute("SELECT llm_guard('clinic', %s)", (recipe(clinic),))
    return clinic


def write(db: psycopg.Connection, number: int, **cells: str | None) -> tuple[object, ...]:
    """A row with these cells as the table then has it."""
    names, values = ["id", *cells], [number, *cells.values()]
    places = ", ".join(["%s"] * len(values))
    db.execute(f"INSERT INTO clinic ({', '.join(names)}) VALUES ({places})", values)
    row = db.execute(f"SELECT {', '.join(names[1:])} FROM clinic WHERE id = %s", (number,)).fetchone()
    assert row is not None
    return row


KNOWN = [
    ("beds", "105 beds", "105"),
    ("price", "7,25", "7.25"),
    ("price", "1,234", "1,234"),
    ("price", "1,2,3", "1,2,3"),
    ("opened", "28.02.2013", "2013-02-28"),
    ("opened", "31.02.2013", "31.02.2013"),
    ("opened", "29.02.2012", "2012-02-29"),
    ("opened", "29.02.2013", "29.02.2013"),
    ("opened", "02/28/2013", "02/28/2013"),
    ("note", "n/a", None),
    ("note", "#REF!", None),
    ("note", "never seen", "never seen"),
    ("note", None, None),
    ("note", "", ""),
    ("city", "  Oslo ", "Oslo"),
    ("city", "OSLO", "Oslo"),
    ("city", "Osloo", "Osloo"),
    ("kind", "Public", "public"),
    ("city", "x" * 1_000_000, "x" * 1_000_000),
    ("city", "'; DROP TABLE clinic; --", "'; DROP TABLE clinic; --"),
]


def test_a_value_that_the_recipe_does_not_know_stays(guarded: psycopg.Connection) -> None:
    for column, written, stored in KNOWN:
        guarded.execute("DELETE FROM clinic WHERE id = 9000")
        assert write(guarded, 9000, **{column: written}) == (stored,), written
        # The same by UPDATE.
        guarded.execute(f"UPDATE clinic SET {column} = 'y' WHERE id = 9000")
        guarded.execute(f"UPDATE clinic SET {column} = %s WHERE id = 9000", (written,))
        assert value(guarded, f"SELECT {column} FROM clinic WHERE id = 9000") == stored, written
    # A session may write as it likes, and what an UPDATE leaves alone is not looked at.
    guarded.execute("DELETE FROM clinic WHERE id = 9000; SET llm.guard = off")
    assert write(guarded, 9000, beds="24 beds") == ("24 beds",)
    guarded.execute("RESET llm.guard")
    guarded.execute("UPDATE clinic SET city = 'Oslo' WHERE id = 9000")
    assert value(guarded, "SELECT beds FROM clinic WHERE id = 9000") == "24 beds"
    conflict = "ON CONFLICT (id) DO UPDATE SET beds = '26 beds'"
    guarded.execute(f"INSERT INTO clinic (id, beds) VALUES (9000, '25 beds') {conflict}")
    assert value(guarded, "SELECT beds FROM clinic WHERE id = 9000") == "26"


def test_writes_go_on_when_columns_come_go_and_change(guarded: psycopg.Connection) -> None:
    told: list[str] = []
    guarded.add_notice_handler(lambda notice: told.append(f"{notice.severity}: {notice.message_primary}"))
    guarded.execute("ALTER TABLE clinic ADD COLUMN extra int, DROP COLUMN price")
    guarded.execute("ALTER TABLE clinic RENAME COLUMN note TO remark")
    guarded.execute("ALTER TABLE clinic ALTER COLUMN kind TYPE int USING 1")
    assert write(guarded, 9000, beds="24 beds", city=" Oslo", remark="N/A", kind="7") == ("24", "Oslo", "N/A", 7)
    assert len(told) == 1
    assert "WARNING: guard of public.clinic: a value stays as it was written" in told[0]
    # Once a transaction.
    with guarded.transaction():
        for number in range(9001, 9011):
            write(guarded, number, beds="24 beds")
    assert len(told) == 2
    run = value(guarded, "SELECT id::text FROM llm.cleaning")
    guarded.execute("SELECT llm_guard('clinic', %s)", (run,))
    told.clear()
    assert write(guarded, 9020, beds="24 beds") == ("24",)
    assert not told


def test_it_never_makes_a_write_fail(db: psycopg.Connection) -> None:
    db.execute("""
        CREATE TABLE clinic (
            id int PRIMARY KEY, beds varchar(8) NOT NULL CHECK (length(beds) > 4 OR beds ~ '^\\d+$' AND beds <> '77'),
            code text UNIQUE, note text NOT NULL, size int GENERATED ALWAYS AS (length(code)) STORED
        )
    """)
    db.execute("""
        INSERT INTO clinic SELECT n, 20 + n % 9 || CASE WHEN n % 17 = 3 THEN ' beds' ELSE '' END,
            n || CASE WHEN n % 17 = 3 THEN ' kg' ELSE '' END, CASE n % 10 WHEN 3 THEN 'N/A' ELSE 'note ' || n % 5 END
        FROM generate_series(1, 400) AS n
    """)
    run = recipe(db)
    found = {
        row[0]: row[1:]
        for row in db.execute("SELECT \"column\", cells, covered, note FROM llm_guard('clinic', %s)", (run,))
    }
    assert found["beds"][0] == found["beds"][1]
    assert found["code"][1] == 0
    assert "another value might make a write fail" in found["code"][2]
    # A constraint that the cleaned row would break, and what would be a duplicate.
    db.execute("INSERT INTO clinic VALUES (900, '77 beds', '901', 'a'), (901, '55 beds', '901 kg', 'N/A')")
    assert db.execute("SELECT beds, code, note FROM clinic WHERE id >= 900 ORDER BY id").fetchall() == [
        ("77 beds", "901", "a"),
        ("55", "901 kg", "N/A"),
    ]


@pytest.mark.slow
def test_partitions_copy_and_a_table_built_anew(clinic: psycopg.Connection) -> None:
    clinic.execute(f"""
        ALTER TABLE clinic RENAME TO plain; CREATE TABLE clinic ({COLUMNS}) PARTITION BY RANGE (id);
        CREATE TABLE low PARTITION OF clinic FOR VALUES FROM (0) TO (1000);
        CREATE TABLE high PARTITION OF clinic FOR VALUES FROM (1000) TO (9000); INSERT INTO clinic TABLE plain
    """)
    run = recipe(clinic)
    clinic.execute("SELECT llm_guard('clinic', %s)", (run,))
    load(clinic, "clinic", rows(600, 1200, dirty=True))
    load(clinic, "high", rows(1200, 1300, dirty=True))
    assert content(clinic) == rows(0, 1300, dirty=False)
    # As dbt does it; the rows that come first are no evidence against the recipe.
    clinic.execute(f"""
        CREATE TABLE anew ({COLUMNS}); DROP TABLE clinic; ALTER TABLE anew RENAME TO clinic
    """)
    load(clinic, "clinic", rows(0, 100, dirty=True))
    clinic.execute("SELECT llm_guard('clinic', %s)", (run,))
    load(clinic, "clinic", rows(100, 300, dirty=True))
    assert content(clinic)[100:] == rows(100, 300, dirty=False)


def test_the_guard_is_the_owner_s_own(clinic: psycopg.Connection, role: str) -> None:
    run = recipe(clinic)
    clinic.execute(f"GRANT ALL ON clinic TO {role}; SET ROLE {role}")
    own = str(value(clinic, "SELECT llm_find_errors('clinic')"))
    with pytest.raises(errors.InsufficientPrivilege, match="must be owner"):
        clinic.execute("SELECT llm_guard('clinic', %s)", (own,))
    with pytest.raises(errors.InsufficientPrivilege, match="must be owner"):
        clinic.execute("SELECT llm_drop_guard('clinic')")
    clinic.execute(f"RESET ROLE; ALTER TABLE clinic OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role}")
    clinic.execute("SELECT llm_guard('clinic', %s)", (run,))
    assert value(clinic, "SELECT proowner::regrole::text FROM pg_proc WHERE proname = 'clinic_guard'") == role
    # Whoever writes runs it with their own rights and settings, whatever names these find.
    clinic.execute("""
        CREATE SCHEMA lair; CREATE FUNCTION lair.lower(text) RETURNS text LANGUAGE sql AS 'SELECT 1/0 || $1';
        SET search_path = lair, public, pg_catalog
    """)
    assert write(clinic, 9000, beds="24 beds", note="N/A") == ("24", None)
    clinic.execute("RESET search_path")
    clinic.execute("DROP TRIGGER llm_guard ON clinic; DROP FUNCTION clinic_guard")
    clinic.execute("CREATE FUNCTION clinic_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    with pytest.raises(errors.DuplicateObject, match="which is no guard"):
        clinic.execute("SELECT llm_guard('clinic', %s)", (run,))
    assert not value(clinic, "SELECT llm_drop_guard('clinic')")
    assert value(clinic, "SELECT to_regproc('clinic_guard') IS NOT NULL")


@pytest.mark.slow
def test_repairs_of_single_cells_are_said_and_not_repeated(clinic: psycopg.Connection) -> None:
    labels = [{"key": {"id": 5}, "column": "city", "value": "Fana"}]
    run = str(value(clinic, "SELECT llm_find_errors('clinic', labels => %s)", Jsonb(labels)))
    clinic.execute("SELECT llm_propose_repairs(%s)", (run,))
    clinic.execute("SELECT llm_apply(%s)", (run,))
    told: list[str] = []
    clinic.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    found = {
        row[0]: row[1:]
        for row in clinic.execute("SELECT description, covered, note FROM llm_guard('clinic', %s)", (run,))
    }
    assert found["cells as they were marked"] == (0, "the marks of single cells say nothing about other rows")
    assert any("guarded for 0 of 1 cells" in message for message in told)
    assert write(clinic, 9000, city="Oslo", zip="Z10") == ("Oslo", "Z10")


PLANTED = [
    ("{c} <> ''", "set_config('test.ran', {c}, false)"),
    ("{c} <> ''", "'x' END; PERFORM set_config('test.ran', '1', false); NEW.note := CASE WHEN true THEN 'x'"),
    ("{c} <> ''", "lair.now({c})"),
]


def test_a_planted_step_does_not_get_into_a_guard(clinic: psycopg.Connection) -> None:
    run = recipe(clinic)
    for planted in PLANTED:
        clinic.execute("DELETE FROM clinic WHERE id = 9000; SELECT llm_drop_guard('clinic')")
        clinic.execute("UPDATE llm.all_step SET condition = %s, expression = %s WHERE \"column\" = 'beds'", planted)
        clinic.execute("SELECT llm_guard('clinic', %s)", (run,))
        assert write(clinic, 9000, beds="24 beds", note="N/A") == ("24", None)
        assert not value(clinic, "SELECT current_setting('test.ran', true)")
        body = value(clinic, "SELECT prosrc FROM pg_proc WHERE proname = 'clinic_guard'")
        assert "set_config('test" not in body
        assert "lair" not in body


def test_planted_rules_do_not_run(clinic: psycopg.Connection, role: str) -> None:
    """A database's owner may write under other names into the tables that dumps are restored to."""
    clinic.execute(f"GRANT SELECT ON clinic TO {role}; CREATE SCHEMA lair")
    clinic.execute(
        "CREATE FUNCTION lair.now() RETURNS boolean LANGUAGE sql AS $$SELECT set_config('test.ran', '1', false) = '1'$$"
    )
    clinic.execute(
        """
        INSERT INTO llm.all_cleaning (target, columns, rules, usename)
        VALUES ('clinic', '{city}', '[{"column": "city", "check": "lair.now()"}]', %s)
    """,
        (role,),
    )
    clinic.execute(
        """
        INSERT INTO llm.all_rule (usename, relation, name, severity, definition)
        VALUES (%s, 'public.clinic', 'trap', 'error', '{"sql": "lair.now()"}')
    """,
        (role,),
    )
    clinic.execute(f"SET ROLE {role}")
    run = value(clinic, "SELECT id::text FROM llm.cleaning")
    for call in (f"llm_propose_repairs('{run}')", "llm_check('clinic')"):
        with pytest.raises(errors.InvalidParameterValue, match="calls lair.now"):
            clinic.execute(f"SELECT {call}")
    assert not value(clinic, "SELECT current_setting('test.ran', true)")


def test_values_are_written_into_the_function_as_values(db: psycopg.Connection) -> None:
    hostile = ["a'b", "$guard$; DROP TABLE clinic; $guard$", "\\'", "%s {c} {0}", "--", "E'\\n"]
    db.execute(f"CREATE TABLE clinic ({COLUMNS})")
    load(
        db,
        "clinic",
        [
            (n, "Z1", f"kind {n % 4}", hostile[n % 6].upper() if n == 3 else hostile[n % 6], *["1"] * 3, None)
            for n in range(300)
        ],
    )
    marks = [(number, f"right {number}") for number in range(6)]
    run = str(value(db, "SELECT llm_find_errors('clinic')"))
    for number, right in marks:
        for of in (number + 6, number + 12):
            db.execute("SELECT llm_mark(%s, %s, 'kind', %s)", (run, Jsonb({"id": of}), right))
    db.execute("SELECT llm_propose_repairs(%s)", (run,))
    db.execute("SELECT llm_accept(%s, \"column\" => 'kind')", (run,))
    db.execute("SELECT llm_guard('clinic', %s)", (run,))
    for number, right in marks:
        assert write(db, 9000 + number, kind=hostile[number]) == (right,)


def test_a_column_that_marks_split_in_two_is_split_on_arrival(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE clinic (id int PRIMARY KEY, city text, state text)")
    towns = [("Portland", "OR"), ("San Diego", "CA"), ("Denver", "CO"), ("New York City", "NY"), ("Boise", "ID")]
    for n in range(200):
        city, state = towns[n % 5]
        whole = n % 10 in (1, 2, 5)
        db.execute(
            "INSERT INTO clinic VALUES (%s, %s, %s)", (n, *((f"{city} {state}", None) if whole else (city, state)))
        )
    clean = [(n, *towns[n % 5]) for n in range(200)]
    before = content(db)
    run = str(value(db, "SELECT llm_find_errors('clinic')"))
    for n in (1, 2, 5):
        for place, column in enumerate(("city", "state")):
            db.execute("SELECT llm_mark(%s, %s, %s, %s)", (run, Jsonb({"id": n}), column, towns[n % 5][place]))
    db.execute("SELECT llm_propose_repairs(%s)", (run,))
    db.execute("SELECT llm_accept(%s, detector => 'learnt')", (run,))
    db.execute("SELECT llm_apply(%s, 1)", (run,))
    assert content(db) == clean
    rules = str(value(db, "SELECT llm_rules(%s)", run))
    db.execute("SELECT llm_guard('clinic', %s)", (run,))
    db.execute("INSERT INTO clinic VALUES (900, 'Salem MA', NULL), (901, 'New York', NULL), (902, 'Reno NV', 'XX')")
    db.execute("INSERT INTO clinic VALUES (903, 'x', NULL); UPDATE clinic SET city = 'Mesa AZ' WHERE id = 903")
    arrived = db.execute("SELECT city, state FROM clinic WHERE id >= 900 ORDER BY id").fetchall()
    assert arrived == [("Salem", "MA"), ("New York", None), ("Reno", "XX"), ("Mesa", "AZ")]
    db.execute("DELETE FROM clinic WHERE id >= 900")
    db.execute("SELECT llm_rollback(%s)", (run,))
    assert content(db) == before
    db.execute("SET llm.guard = off; INSERT INTO clinic VALUES (900, 'Salem MA', NULL)")
    db.execute(rules.encode())
    assert content(db) == [*clean, (900, "Salem", "MA")]
