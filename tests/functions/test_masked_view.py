"""Views that mask columns to all but some roles."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors, sql

POLICY = """
    {"name": "label", "phone": "mask", "born": "generalize", "salary": "generalize", "note": "redact", "code": "null"}
"""


@pytest.fixture
def person(db: psycopg.Connection, role: str) -> psycopg.Connection:
    """A table and its masked view, which `role` may read; `role` may not read the table."""
    db.execute("CREATE DOMAIN serial_code AS text NOT NULL")
    db.execute(
        "CREATE TABLE person (id int PRIMARY KEY, name varchar(40), phone text, born date, salary numeric(8,2),"
        ' note text, code serial_code, "odd ""name" int)'
    )
    db.execute(
        "INSERT INTO person VALUES (1, 'Anna Meier', '+44 20 7946-0958', '1984-03-03', 1234.56,"
        " 'write to anna@example.com', 'X1', 7), (2, NULL, NULL, NULL, NULL, NULL, 'X2', 8)"
    )
    db.execute("SELECT llm_mask('person', %s, '{}')", (POLICY,))
    db.execute(sql.SQL("GRANT SELECT ON person_masked TO {}").format(sql.Identifier(role)))
    return db


def test_others_see_masked_values_and_conditions_see_the_same(
    person: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]
) -> None:
    reader = connect(role)
    rows = reader.execute("SELECT * FROM person_masked ORDER BY id").fetchall()
    assert [str(each) for each in rows[0]] == [
        *("1", "[name]", "+** ** ****-****", "1984-01-01", "1230", "write to [email]", "None", "7"),
    ]
    assert rows[1] == (2, None, None, None, None, None, None, 8)
    assert value(reader, "SELECT count(*) FROM person_masked WHERE name = 'Anna Meier' OR code = 'X1'") == 0
    with pytest.raises(errors.InsufficientPrivilege):
        reader.execute("SELECT * FROM person")


def test_a_condition_of_the_reader_never_sees_a_plain_value(
    person: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]
) -> None:
    person.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(role)))
    reader = connect(role)
    reader.execute(
        "CREATE FUNCTION spy(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS"
        " $$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$"
    )
    seen: list[str] = []
    reader.add_notice_handler(lambda notice: seen.append(str(notice.message_primary)))
    reader.execute(
        "SELECT id FROM person_masked WHERE spy(name::text) AND spy(phone) AND spy(code) AND spy(born::text)"
    )
    assert seen
    assert not [each for each in seen if "Anna" in each or "7946" in each or "X1" in each or "03-03" in each]


def test_members_of_the_roles_see_plain_values(
    person: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]
) -> None:
    person.execute("SELECT llm_mask('person', %s, %s, 'seen')", (POLICY, [role]))
    person.execute(sql.SQL("GRANT SELECT ON seen TO {}").format(sql.Identifier(role)))
    reader = connect(role)
    assert reader.execute("SELECT name, salary::text, code FROM seen WHERE id = 1").fetchone() == (
        *("Anna Meier", "1234.56", "X1"),
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("llm_mask('person', '{}')", errors.InvalidParameterValue, "policy must be an object"),
        ("llm_mask('person', NULL)", errors.InvalidParameterValue, "policy"),
        ('llm_mask(NULL, \'{"name": "null"}\')', errors.InvalidParameterValue, "target"),
        ("""llm_mask('person', '{"nme": "mask"}')""", errors.InvalidParameterValue, 'no column "nme"'),
        ("""llm_mask('person', '{"name": "hash"}')""", errors.InvalidParameterValue, "method of column"),
        ("""llm_mask('person', '{"name": 3}')""", errors.InvalidParameterValue, "method of column"),
        ("""llm_mask('person', '{"born": "mask"}')""", errors.InvalidParameterValue, "cannot be masked by mask"),
        ("""llm_mask('person', '{"name": "generalize"}')""", errors.InvalidParameterValue, "by generalize"),
        ("""llm_mask('person', '{"name": "mask"}', '{nobody}')""", errors.InvalidParameterValue, 'role "nobody"'),
        ("""llm_mask('person', '{"name": "mask"}')""", errors.DuplicateTable, "already exists"),
        ("""llm_mask('person_masked', '{"name": "mask"}')""", errors.FeatureNotSupported, "is no table"),
    ],
)
def test_what_cannot_be_masked_is_said(
    person: psycopg.Connection, call: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        person.execute(f"SELECT {call}")  # type: ignore[arg-type]


def test_a_table_with_row_level_security_and_one_of_somebody_else_are_refused(
    person: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        connect(role).execute("""SELECT llm_mask('person', '{"name": "null"}', '{}', 'mine')""")
    person.execute("ALTER TABLE person ENABLE ROW LEVEL SECURITY")
    with pytest.raises(errors.FeatureNotSupported, match="row-level security"):
        person.execute("""SELECT llm_mask('person', '{"name": "null"}', '{}', 'other')""")


def test_names_with_quotes_are_names(person: psycopg.Connection) -> None:
    view = value(
        person, """SELECT llm_mask('person', '{"odd \\"name": "null"}', '{}', 'a "view"; DROP TABLE person')"""
    )
    assert value(person, f'SELECT "odd ""name" FROM {view} WHERE id = 1') is None  # type: ignore[arg-type]


@pytest.mark.parametrize("collation", ['"C"', '"POSIX"', '"default"', "folded"])
def test_letters_of_all_scripts_are_masked_under_every_collation(db: psycopg.Connection, collation: str) -> None:
    db.execute("CREATE COLLATION folded (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false)")
    db.execute(f"CREATE TABLE patient (id int, name text COLLATE {collation})")
    db.execute("INSERT INTO patient VALUES (1, '王小明, Ёлкин-Ådahl e\u0301 ١٢')")
    db.execute("""SELECT llm_mask('patient', '{"name": "mask"}')""")
    assert value(db, "SELECT name FROM patient_masked") == "***, *****-***** ** **"
    collations = "SELECT array_agg(attcollation) FROM pg_attribute WHERE attname = 'name' AND attrelid = %s::regclass"
    assert value(db, collations, "patient_masked") == value(db, collations, "patient")


def test_no_setting_of_the_reader_shows_a_name(
    person: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]
) -> None:
    person.execute("UPDATE person SET note = 'Talk to Anna Meier about the results of Paul Weber.' WHERE id = 1")
    reader = connect(role)
    query = "SELECT note FROM person_masked WHERE id = 1"
    shown = value(reader, query)
    assert shown == "Talk to [person] about the results of [person]."
    for name in ("lac", "en-core-web-sm", "smollm2-135m-instruct"):
        reader.execute(sql.SQL("SET llm.personal_model = {}").format(name))
        assert value(reader, query) == shown


def test_a_session_that_quotes_all_names_finds_the_same(person: psycopg.Connection) -> None:
    person.execute("SELECT llm_define_rule('person', 'paid', 'salary > 0', severity => 'error')")
    person.execute("SET quote_all_identifiers = on")
    view = value(person, "SELECT llm_mask('person', %s, '{}', 'seen')", POLICY)
    assert view == "public.seen"
    assert value(person, "SELECT name FROM seen WHERE id = 1") == "[name]"
    assert person.execute("SELECT rule, failed FROM llm_check('person')").fetchall() == [("paid", 0)]
    with pytest.raises(errors.InvalidParameterValue):
        person.execute("SELECT llm_mask('person', NULL)")
    person.execute("CALL semantic_index('person', '{note}')")
    assert value(person, "SHOW quote_all_identifiers") == "on"
    assert value(person, "SELECT quote_ident('note')") == '"note"'


def test_whoever_takes_the_name_of_a_dropped_role_sees_nothing_in_plain(
    person: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]
) -> None:
    person.execute("CREATE ROLE officer; CREATE ROLE auditor")
    try:
        person.execute("SELECT llm_mask('person', %s, '{officer,auditor}', 'seen')", (POLICY,))
        person.execute("GRANT SELECT ON seen TO PUBLIC")
        person.execute(sql.SQL("GRANT officer, auditor TO {}").format(sql.Identifier(role)))
        query = "SELECT name FROM seen WHERE id = 1"
        assert value(connect(role), query) == "Anna Meier"
        person.execute("DROP ROLE officer; CREATE ROLE officer")
        person.execute(sql.SQL("GRANT officer TO {}; REVOKE auditor FROM {}").format(*[sql.Identifier(role)] * 2))
        assert value(connect(role), query) == "[name]"
        person.execute(sql.SQL("GRANT auditor TO {}").format(sql.Identifier(role)))
        assert value(connect(role), query) == "Anna Meier"
    finally:
        person.execute("DROP ROLE officer; DROP ROLE auditor")


def test_row_level_security_that_a_table_gets_later_is_not_passed_by(
    person: psycopg.Connection, role: str, connect: Callable[..., psycopg.Connection]
) -> None:
    person.execute("ALTER TABLE person ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON person USING (false)")
    reader = connect(role)
    for query in ("SELECT count(*) FROM person_masked", "SELECT name FROM person_masked WHERE id = 1"):
        with pytest.raises(errors.DataError, match="public.person has row-level security, which this view would pass"):
            reader.execute(query)  # type: ignore[arg-type]
    person.execute("ALTER TABLE person RENAME TO human; ALTER TABLE human DISABLE ROW LEVEL SECURITY")
    assert value(reader, "SELECT count(*) FROM person_masked") == 2


def test_json_of_thousands_of_levels_is_a_clear_error(person: psycopg.Connection) -> None:
    for call, depth in (
        ("llm_mask('person', %s)", 4000),
        ("llm_where_is('person', %s)", 4000),
        ("llm_generate_json('a', %s)", 1200),
    ):
        with pytest.raises(errors.InvalidParameterValue, match="nested too deep"):
            person.execute(f"SELECT {call}", ('{"a": ' * depth + "1" + "}" * depth,))
