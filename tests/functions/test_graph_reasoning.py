from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from database import value
from psycopg import errors
from pytest_postgresql import factories

Connect = Callable[..., psycopg.Connection]
# Who lives in a town speaks its language, except for a few of whom that is not known.
TRIPLES = """
    SELECT 'person ' || n AS subject, 'person' AS subject_type, 'lives in' AS predicate, 'town ' || n % 12 AS object,
           'town' AS object_type FROM generate_series(1, 120) AS n
    UNION ALL SELECT 'town ' || n, 'town', 'lies in', 'country ' || n % 4, 'country' FROM generate_series(0, 11) AS n
    UNION ALL SELECT 'town ' || n, 'town', 'uses', 'language ' || n % 4, 'language' FROM generate_series(0, 11) AS n
    UNION ALL SELECT 'person ' || n, 'person', 'speaks', 'language ' || n % 4, 'language'
    FROM generate_series(1, 120) AS n WHERE n > 8
    UNION ALL SELECT 'person ' || n, 'person', 'married to', 'person ' || n + 1, 'person'
    FROM generate_series(1, 119, 2) AS n
    UNION ALL SELECT 'person ' || n + 1, 'person', 'married to', 'person ' || n, 'person'
    FROM generate_series(5, 119, 2) AS n
"""
FIT = """SELECT graph_fit('world', 'complex', '{"epochs": 60, "dimensions": 32}')"""


def world(connection: psycopg.Connection) -> None:
    connection.execute("SELECT graph_create('world')")
    connection.execute("SELECT graph_import('world', %s)", (TRIPLES,))


def load_world(host: str, port: int, user: str, dbname: str, password: str | None, **_: object) -> None:
    with psycopg.connect(host=host, port=port, user=user, dbname=dbname, autocommit=True) as connection:
        world(connection)
        connection.execute("CREATE TABLE told AS " + FIT + " AS told")


with_world = factories.postgresql_noproc(depends_on="with_extension", dbname="world", load=[load_world])
_learnt = factories.postgresql("with_world")


@pytest.fixture
def fitted(_learnt: psycopg.Connection) -> psycopg.Connection:
    """A database with the graph `world`, learnt from, and what the learning told in the table `told`."""
    _learnt.autocommit = True
    return _learnt


def entity(connection: psycopg.Connection, name: str) -> int:
    return int(value(connection, "SELECT id FROM llm.entity WHERE name = %s", name))


def test_what_is_missing_is_predicted(fitted: psycopg.Connection) -> None:
    told = value(fitted, "SELECT told FROM told")
    assert told["graph"] == "world"
    assert told["method"] == "complex"
    assert told["relations"] == 120 + 12 + 12 + 112 + 60 + 58
    assert told["validation_relations"] == round(0.1 * told["relations"])
    assert told["entities"] == 120 + 12 + 4 + 4
    assert 0 < told["hits_at_1"] <= told["mrr"] <= told["hits_at_10"] <= 1
    assert fitted.execute("SELECT graph, method, readable, metrics->'mrr' FROM llm.graph_model").fetchall() == [
        (value(fitted, "SELECT id FROM llm.graph"), "complex", True, told["mrr"])
    ]
    right = 0
    for n in range(1, 9):
        rows = fitted.execute(
            "SELECT * FROM graph_predict('world', %s, 'speaks')", (entity(fitted, f"person {n}"),)
        ).fetchall()
        # Of four languages, and nothing but languages.
        assert len(rows) == 4
        assert {row[2] for row in rows} == {"language"}
        assert [row[3] for row in rows] == sorted((row[3] for row in rows), reverse=True)
        assert sum(row[3] for row in rows) == pytest.approx(1, abs=1e-3)
        assert all(entity(fitted, row[1]) == row[0] for row in rows)
        right += rows[0][1] == f"language {n % 4}"
    assert right >= 6


def test_what_the_graph_holds_is_left_out(fitted: psycopg.Connection) -> None:
    person, language = entity(fitted, "person 20"), entity(fitted, "language 0")
    assert language not in {
        row[0] for row in fitted.execute("SELECT * FROM graph_predict('world', %s, 'speaks')", (person,))
    }
    others = fitted.execute(
        "SELECT object, type FROM graph_predict('world', %s, 'speaks', reverse => true)", (language,)
    )
    found = others.fetchall()
    held = {
        row[0]
        for row in fitted.execute(
            "SELECT subject FROM llm.relation WHERE object = %s AND predicate = 'speaks'", (language,)
        )
    }
    assert len(found) == 10
    assert {type_ for _, type_ in found} == {"person"}
    assert not held & {object_ for object_, _ in found}
    # At this moment: what has come since is left out, what has gone comes back.
    fitted.execute(
        "SELECT graph_import('world', $$SELECT 'person 20' AS subject, 'person' AS subject_type, 'speaks' AS"
        " predicate, 'language 1' AS object, 'language' AS object_type$$)"
    )
    assert len(fitted.execute("SELECT FROM graph_predict('world', %s, 'speaks')", (person,)).fetchall()) == 2
    all_ = fitted.execute("SELECT object FROM graph_predict('world', %s, 'speaks', 1000, true)", (language,)).fetchall()
    assert len(all_) == 120 - len(held)


@pytest.mark.parametrize("method", ["rotate", "distmult", "transe"])
def test_every_method_learns(db: psycopg.Connection, method: str) -> None:
    world(db)
    options = '{"epochs": 40, "dimensions": 16, "learning_rate": 0.05}'
    told = value(db, "SELECT graph_fit('world', %s, %s)", method, options)
    assert told["method"] == method
    # By chance it would be 0.04.
    assert told["mrr"] > 0.15
    assert (
        len(db.execute("SELECT FROM graph_predict('world', %s, 'speaks')", (entity(db, "person 1"),)).fetchall()) == 4
    )


def test_the_same_seed_makes_the_same_model(fitted: psycopg.Connection) -> None:
    told, digest = value(fitted, "SELECT told FROM told"), value(fitted, "SELECT digest FROM llm.graph_model")
    again = value(fitted, FIT)
    assert {**again, "seconds": 0} == {**told, "seconds": 0}
    assert value(fitted, "SELECT digest FROM llm.graph_model") == digest
    assert value(fitted, "SELECT count(DISTINCT path) FROM llm.graph_model_file") == 2


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_prediction_where_nothing_is_known(fitted: psycopg.Connection, engine: str) -> None:
    fitted.execute(f"SET llm.engine = '{engine}'")
    fitted.execute("SELECT graph_create('other')")
    with pytest.raises(errors.UndefinedObject, match="nothing has been learnt"):
        fitted.execute("SELECT * FROM graph_predict('other', 1, 'speaks')")
    person = entity(fitted, "person 1")
    for arguments in (
        "NULL, 'speaks'",
        f"{person}, NULL",
        f"{person}, 'likes'",
        f"{person}, 'speaks', 0",
        f"{entity(fitted, 'language 1')}, 'speaks', 0",
    ):
        assert fitted.execute(f"SELECT * FROM graph_predict('world', {arguments})").fetchall() == []
    # The wrong end: whoever never was a subject of it, may be one.
    assert len(fitted.execute(f"SELECT * FROM graph_predict('world', {person}, 'speaks', 2)").fetchall()) == 2
    for bad in ("-1", "1001", "NULL"):
        with pytest.raises(errors.InvalidParameterValue, match="k must lie between"):
            fitted.execute(f"SELECT * FROM graph_predict('world', {person}, 'speaks', {bad})")
    with pytest.raises(errors.UndefinedObject, match="no entity -7"):
        fitted.execute("SELECT * FROM graph_predict('world', -7, 'speaks')")
    with pytest.raises(errors.UndefinedObject, match='no graph "none"'):
        fitted.execute("SELECT * FROM graph_predict('none', 1, 'speaks')")
    # Whoever came after the learning is unknown to it.
    fitted.execute("SELECT graph_import('world', $$SELECT 'new' AS subject, 'knows' AS predicate, 'newer' AS object$$)")
    assert (
        fitted.execute("SELECT * FROM graph_predict('world', %s, 'speaks')", (entity(fitted, "new"),)).fetchall() == []
    )
    assert fitted.execute("SELECT * FROM graph_predict('world', %s, %s)", (person, "x" * 1_000_000)).fetchall() == []


def test_fitting_says_what_it_cannot_do(db: psycopg.Connection, role: str) -> None:
    world(db)
    with pytest.raises(errors.InvalidParameterValue, match="invalid method"):
        db.execute("SELECT graph_fit('world', 'magic')")
    with pytest.raises(errors.InvalidParameterValue, match='unknown option "depth"'):
        db.execute("SELECT graph_fit('world', options => '{\"depth\": 3}')")
    with pytest.raises(errors.InvalidParameterValue, match='invalid value for option "validation"'):
        db.execute("SELECT graph_fit('world', options => '{\"validation\": 0.9}')")
    with pytest.raises(errors.InvalidParameterValue, match="graph must not be NULL"):
        db.execute("SELECT graph_fit(NULL)")
    db.execute("SELECT graph_create('small')")
    db.execute("SELECT graph_import('small', $$SELECT 'a' AS subject, 'b' AS predicate, 'c' AS object$$)")
    with pytest.raises(errors.InvalidParameterValue, match="1 relations, too few"):
        db.execute("SELECT graph_fit('small')")
    db.execute(f"SET ROLE {role}")
    with pytest.raises(errors.InsufficientPrivilege, match="must be owner of graph"):
        db.execute("SELECT graph_fit('world')")


def test_a_refit_replaces_and_a_dropped_graph_takes_its_model_along(fitted: psycopg.Connection) -> None:
    first = value(fitted, "SELECT digest FROM llm.graph_model")
    person = entity(fitted, "person 1")
    before = fitted.execute("SELECT * FROM graph_predict('world', %s, 'speaks')", (person,)).fetchall()
    fitted.execute("BEGIN")
    value(fitted, FIT.replace("60", "5"))
    assert value(fitted, "SELECT digest FROM llm.graph_model") != first
    assert fitted.execute("SELECT * FROM graph_predict('world', %s, 'speaks')", (person,)).fetchall() != before
    fitted.execute("ROLLBACK")
    # The old files were forgotten on the disk and come back from the table.
    assert fitted.execute("SELECT * FROM graph_predict('world', %s, 'speaks')", (person,)).fetchall() == before
    fitted.execute("SELECT graph_drop('world')")
    assert value(fitted, "SELECT count(*) FROM llm.all_graph_model_file") == 0


def test_what_one_tenant_may_not_read_it_is_not_told(db: psycopg.Connection, role: str, connect: Connect) -> None:
    db.execute("CREATE TABLE visit (id int PRIMARY KEY, tenant text, who text, what text)")
    db.execute(f"""
        INSERT INTO visit SELECT n, CASE n % 3 WHEN 0 THEN '{role}' ELSE 'other' END, 'p' || n % 40, 'd' || n % 7
        FROM generate_series(1, 200) AS n
    """)
    db.execute("ALTER TABLE visit ENABLE ROW LEVEL SECURITY")
    db.execute("CREATE POLICY own ON visit USING (tenant = CURRENT_USER)")
    db.execute(f"GRANT SELECT ON visit TO {role}")
    db.execute("SELECT graph_create('clinic')")
    db.execute("""CALL graph_add_columns('clinic', 'visit',
        '{"subject": "who", "subject_type": "patient", "predicate": "has", "object": "what"}')""")
    value(db, """SELECT graph_fit('clinic', 'complex', '{"epochs": 5, "dimensions": 8}')""")
    reader = connect(user=role)
    person = value(reader, "SELECT min(id) FROM llm.entity WHERE type = 'patient'")
    call = "SELECT * FROM graph_predict('clinic', %s, 'has')"
    with pytest.raises(errors.InsufficientPrivilege, match="may not read every row"):
        reader.execute(call, (person,))
    # Nor the vectors, nor what they measured.
    assert reader.execute("SELECT * FROM llm.graph_model_file").fetchall() == []
    assert reader.execute("SELECT readable, digest, metrics, options FROM llm.graph_model").fetchall() == [
        (False, None, None, None)
    ]
    db.execute("CREATE POLICY everything ON visit USING (true)")
    with pytest.raises(errors.InsufficientPrivilege, match="may not read every row"):
        reader.execute(call, (person,))
    db.execute("ALTER TABLE visit DISABLE ROW LEVEL SECURITY")
    assert reader.execute(call, (person,)).fetchall()
    assert reader.execute("SELECT readable, metrics IS NULL FROM llm.graph_model").fetchall() == [(True, False)]
    db.execute("ALTER TABLE visit ENABLE ROW LEVEL SECURITY")
    with pytest.raises(errors.InsufficientPrivilege):
        reader.execute(call, (person,))
    db.execute(f"REVOKE SELECT ON visit FROM {role}")
    with pytest.raises(errors.InsufficientPrivilege, match="may not read every row"):
        reader.execute(call, (person,))
    # Rules are only counted over what a role sees.
    assert reader.execute("SELECT * FROM graph_rules('clinic', 0, 1)").fetchall() == []


def test_an_owner_who_may_not_read_everything_does_not_fit(db: psycopg.Connection, role: str, connect: Connect) -> None:
    db.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    owner = connect(user=role)
    owner.execute("CREATE TABLE visit (id int PRIMARY KEY, who text, what text)")
    owner.execute("INSERT INTO visit SELECT n, 'p' || n % 40, 'd' || n % 7 FROM generate_series(1, 100) AS n")
    owner.execute("SELECT graph_create('clinic')")
    owner.execute(
        """CALL graph_add_columns('clinic', 'visit', '{"subject": "who", "predicate": "has", "object": "what"}')"""
    )
    assert value(owner, """SELECT graph_fit('clinic', options => '{"epochs": 2}')""")["relations"] > 50
    owner.execute("ALTER TABLE visit ENABLE ROW LEVEL SECURITY; ALTER TABLE visit FORCE ROW LEVEL SECURITY")
    owner.execute("CREATE POLICY own_part ON visit USING (id < 90)")
    with pytest.raises(errors.InsufficientPrivilege, match="may not read every row"):
        owner.execute("SELECT graph_fit('clinic')")


def test_nobody_gives_a_graph_another_models_files(fitted: psycopg.Connection, role: str, connect: Connect) -> None:
    thief = connect(user=role)
    thief.execute("SELECT graph_create('theirs')")
    thief.execute("SELECT graph_import('theirs', $$SELECT 'a' AS subject, 'b' AS predicate, 'c' AS object$$)")
    # Only a dump that is restored may bring a model; its digest has to be that of its files.
    fitted.execute("""
        INSERT INTO llm.all_graph_model (graph, method, digest, sources, options, metrics, seconds)
        SELECT id, 'complex', repeat('0', 64), '{}', '{}', '{}', 0 FROM llm.graph WHERE name = 'theirs'
    """)
    fitted.execute(
        "INSERT INTO llm.all_graph_model_file SELECT id, 'graph.json', 0, '' FROM llm.graph WHERE name = 'theirs'"
    )
    with pytest.raises(psycopg.Error, match="not in the database") as caught:
        thief.execute("SELECT * FROM graph_predict('theirs', (SELECT id FROM llm.entity WHERE name = 'a'), 'b')")
    assert caught.value.sqlstate == "58P01"


@pytest.mark.torch
def test_a_fit_can_be_cancelled_and_reports(db: psycopg.Connection, connect: Connect) -> None:
    world(db)
    worker = connect()
    failure: list[BaseException] = []

    def work() -> None:
        try:
            worker.execute("""SELECT graph_fit('world', options => '{"epochs": 10000, "patience": 10000}')""")
        except psycopg.Error as error:
            failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    phases = set()
    deadline = time.monotonic() + 120
    while "training" not in phases and time.monotonic() < deadline:
        phases |= {row[0] for row in db.execute("SELECT phase FROM llm_progress WHERE command = 'graph_fit'")}
        time.sleep(0.1)
    worker.cancel()
    thread.join()
    assert "training" in phases
    assert isinstance(failure[0], errors.QueryCanceled)
    assert value(db, "SELECT count(*) FROM llm.graph_model") == 0


def test_rules(db: psycopg.Connection) -> None:
    world(db)
    rows = {row[0]: row for row in db.execute("SELECT * FROM graph_rules('world')")}
    wedding = rows["married to(y, x) ⇒ married to(x, y)"]
    # 60 pairs, of which the first two are known in one direction only.
    assert wedding[1:5] == (["married to(y, x)"], "married to(x, y)", 116, pytest.approx(116 / 118))
    assert wedding[5] == 1
    path = rows["lives in(x, z) ∧ uses(z, y) ⇒ speaks(x, y)"]
    assert path[1:5] == (["lives in(x, z)", "uses(z, y)"], "speaks(x, y)", 112, pytest.approx(112 / 120))
    # Of who is known to speak something.
    assert path[5] == 1
    confidences = [row[4] for row in rows.values()]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0.5 <= row[4] <= 1 and row[3] >= 5 for row in rows.values())
    assert not any(" ∧ " not in row[0] and row[1] == [row[2]] for row in rows.values())


def test_a_rule_is_what_its_query_counts(db: psycopg.Connection) -> None:
    world(db)
    before = {tuple(row) for row in db.execute("SELECT subject, predicate, object FROM graph_triples('world')")}
    rows = db.execute("SELECT rule, head, support, confidence, sql FROM graph_rules('world', 0.01, 2)").fetchall()
    assert len(rows) >= 4
    for rule, head, support, confidence, sql in rows:
        new = db.execute(sql).fetchall()
        # Body pairs are those that hold already and those that would be new.
        assert support / (support + len(new)) == pytest.approx(confidence, rel=1e-4), rule
        assert not {(row[0], row[2], row[3]) for row in new} & before
        assert all(head == f"{row[2]}(x, y)" for row in new)
        assert all(row[0] != row[3] for row in new)
    symmetric = next(row[4] for row in rows if row[0] == "married to(y, x) ⇒ married to(x, y)")
    assert sorted(row[0] for row in db.execute(symmetric)) == ["person 2", "person 4"]
    assert value(db, "SELECT graph_import('world', %s)", symmetric) == 2
    assert db.execute(symmetric).fetchall() == []


def test_rules_over_two_steps_in_all_directions(db: psycopg.Connection) -> None:
    db.execute("SELECT graph_create('kin')")
    db.execute("""
        SELECT graph_import('kin', $$
            SELECT 'g' || n AS subject, 'parent' AS predicate, 'p' || n AS object FROM generate_series(1, 9) AS n
            UNION ALL SELECT 'p' || n, 'parent', 'a' || n FROM generate_series(1, 9) AS n
            UNION ALL SELECT 'p' || n, 'parent', 'b' || n FROM generate_series(1, 9) AS n
            UNION ALL SELECT 'g' || n, 'grandparent', 'a' || n FROM generate_series(1, 9) AS n
            UNION ALL SELECT 'a' || n, 'descends', 'g' || n FROM generate_series(1, 9) AS n
            UNION ALL SELECT 'a' || n, 'sibling', 'b' || n FROM generate_series(1, 9) AS n
            UNION ALL SELECT 'it''s <b>"me"', 'x'';--', 'it''s <b>"me"'
        $$)
    """)
    found = {
        row[0]: row[1:]
        for row in db.execute(
            "SELECT rule, support, round(confidence::numeric, 3), round(pca_confidence::numeric, 3)"
            " FROM graph_rules('kin', 0.1)"
        )
    }
    assert found["parent(x, z) ∧ parent(z, y) ⇒ grandparent(x, y)"][0] == 9
    assert float(found["parent(x, z) ∧ parent(z, y) ⇒ grandparent(x, y)"][1]) == 0.5
    assert found["parent(z, x) ∧ parent(y, z) ⇒ descends(x, y)"][0] == 9
    # The pairs b, g have no such relation at all, so that they do not count against it.
    assert float(found["parent(z, x) ∧ parent(y, z) ⇒ descends(x, y)"][2]) == 1
    assert found["parent(z, x) ∧ parent(z, y) ⇒ sibling(x, y)"][0] == 9
    assert found["grandparent(y, x) ⇒ descends(x, y)"][0] == 9
    assert found["descends(y, x) ⇒ grandparent(x, y)"][0] == 9
    assert not any("';--" in rule for rule in found)


def test_rules_say_what_they_need(db: psycopg.Connection) -> None:
    db.execute("SELECT graph_create('empty')")
    assert db.execute("SELECT * FROM graph_rules('empty')").fetchall() == []
    for arguments, text in (
        ("1.5", "min_confidence"),
        ("NULL", "min_confidence"),
        ("0.5, 0", "min_support"),
        ("0.5, NULL", "min_support"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=text):
            db.execute(f"SELECT * FROM graph_rules('empty', {arguments})")
    with pytest.raises(errors.UndefinedObject):
        db.execute("SELECT * FROM graph_rules('none')")
