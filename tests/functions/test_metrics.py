"""Metrics of a role, and its semantic layer as a text: one meaning of a word, kept under version control."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from database import value
from faulty_endpoint import FaultyEndpoint, Reply, chat
from psycopg import errors

Connect = Callable[..., psycopg.Connection]


@pytest.fixture
def shop(db: psycopg.Connection) -> psycopg.Connection:
    db.execute(
        """
        CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL, price numeric NOT NULL);
        CREATE TABLE sale (
            id int PRIMARY KEY, product_id int REFERENCES product, city text, quantity int, "Sold On" date
        );
        INSERT INTO product VALUES (1, 'Pen', 2.5), (2, 'Ink', 10);
        INSERT INTO sale VALUES (1, 1, 'Ulm', 4, '2026-01-05'), (2, 2, 'Bonn', 1, '2026-02-05'),
            (3, 2, 'Ulm', 2, '2026-02-07');
        """
    )
    return db


@pytest.fixture
def endpoint() -> Iterator[FaultyEndpoint]:
    with FaultyEndpoint().running() as running:
        yield running


def defined(db: psycopg.Connection) -> list[tuple[str, str, list[str]]]:
    return db.execute("SELECT name, expression, synonyms FROM llm.metric ORDER BY name").fetchall()


def test_a_metric_is_defined_replaced_and_forgotten(shop: psycopg.Connection) -> None:
    define = "SELECT llm_define_metric(%s, %s, 'sale', %s)"
    shop.execute(define, ("revenue", "sum(quantity*product.price) -- of all", ["turnover", " net   sales "]))
    assert defined(shop) == [("revenue", "sum(quantity * product.price)", ["turnover", "net sales"])]
    shop.execute(define, ("Revenue", 'count("Sold On")', None))
    assert defined(shop) == [("Revenue", 'count("Sold On")', [])]
    shop.execute("SELECT llm_define_metric('REVENUE', NULL)")
    assert defined(shop) == []


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("quantity", "must appear in the GROUP BY"),
        ("sum(weight)", 'column "weight" does not exist'),
        ("sum(quantity), 1", "no single expression"),
        ("sum(quantity) FROM product", "no single expression"),
        ("(SELECT count(*) FROM product)", "query or a window"),
        ("sum(quantity) OVER ()", "query or a window"),
        ("unnest(array_agg(quantity))", "several rows"),
        ("pg_sleep(9)", "pg_sleep"),
        ("count(vault.code)", "there is no table vault"),
        ("1; DROP TABLE sale", "2 statements"),
        ("", "no single expression"),
        ("sum(", "cannot be parsed"),
        ("(" * 15_000 + "1" + ")" * 15_000, "longer than"),
    ],
)
def test_what_is_no_aggregate_of_readable_tables_is_refused(
    shop: psycopg.Connection, expression: str, says: str
) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=says):
        shop.execute("SELECT llm_define_metric('m', %s, 'sale')", (expression,))
    assert defined(shop) == []


def test_names_that_cannot_be(shop: psycopg.Connection) -> None:
    for name in (None, "", "  ", "x" * 101):
        with pytest.raises(errors.InvalidParameterValue):
            shop.execute("SELECT llm_define_metric(%s, 'count(*)', 'sale')", (name,))
    for synonyms in ([None], [""], ["x" * 101], ["x"] * 51):
        with pytest.raises(errors.InvalidParameterValue):
            shop.execute("SELECT llm_define_metric('m', 'count(*)', 'sale', %s)", (synonyms,))
    with pytest.raises(errors.InvalidParameterValue, match="target must not be NULL"):
        shop.execute("SELECT llm_define_metric('m', 'count(*)')")
    with pytest.raises(errors.UndefinedObject, match="none that you may read"):
        shop.execute("SELECT llm_define_metric('m', 'count(*)', 'pg_authid')")


def test_a_model_is_told_and_a_query_must_read_it(shop: psycopg.Connection, endpoint: FaultyEndpoint) -> None:
    shop.execute("SELECT llm_define_metric('revenue', 'sum(quantity * product.price)', 'sale', '{turnover}')")
    shop.execute("SELECT llm_register_model('big', 'generation', %s)", (endpoint.source(),))
    right = "SELECT sum(s.quantity * p.price) FROM sale s JOIN product p ON p.id = s.product_id WHERE city = 'Ulm'"
    ask = "SELECT rows, readings, assumptions FROM ask('What was the typical turnover Ulm made?', model => 'big')"
    endpoint.behaviour = lambda request: Reply(chat(right))
    rows, readings, assumptions = shop.execute(ask).fetchone() or (None, [], [])
    assert rows == [{"sum": 30.0}]
    assert {"phrase": "turnover", "meaning": "sum(sale.quantity * product.price)"} in readings
    assert "turnover = sum(sale.quantity * product.price)" in assumptions
    assert "revenue, turnover = sum(sale.quantity * product.price)" in endpoint.requests[0].prompt
    endpoint.behaviour = lambda request: Reply(chat("SELECT count(*) FROM sale WHERE city = 'Ulm'"))
    again = "SELECT rows, reason FROM ask('What was the usual turnover Ulm made?', model => 'big')"
    rows, reason = shop.execute(again).fetchone() or (None, "")
    assert rows is None
    assert "does not read: turnover" in reason


def test_what_somebody_writes_into_the_view_is_checked_when_it_is_used(shop: psycopg.Connection) -> None:
    shop.execute(
        """
        INSERT INTO llm.metric (name, target, expression, synonyms) VALUES
            ('a', 'sale', 'pg_sleep(9)', '{}'), ('b', 'sale', 'sum(nothing)', '{}'),
            ('', 'sale', 'count(*)', '{"",NULL}')
        """
    )
    assert value(shop, "SELECT rows FROM ask('How many sales are there?')") == [{"count": 3}]


def test_a_layer_survives_its_text(shop: psycopg.Connection, role: str, connect: Connect) -> None:
    shop.execute("SELECT llm_describe('sale', 'what was sold: no, yes'), llm_describe('sale.\"Sold On\"', 'day')")
    shop.execute("SELECT llm_define_metric('revenue', 'sum(quantity * product.price)', 'sale', '{turnover,营业额}')")
    shop.execute("SELECT llm_teach('What sold?', E'SELECT name\\nFROM product')")
    text = value(shop, "SELECT llm_catalog_export()")
    assert "expression: sum(quantity * product.price)" in text
    assert "营业额" in text
    shop.execute(f"GRANT SELECT ON sale, product TO {role}")
    with connect(role) as other:
        assert value(other, "SELECT llm_catalog_export()") == "tables: []\nmetrics: []\nexamples: []\n"
        counts = other.execute("SELECT * FROM llm_catalog_import(%s)", (text,)).fetchall()
        assert counts == [("descriptions", 2), ("metrics", 1), ("examples", 1)]
        assert value(other, "SELECT llm_catalog_export()") == text
        other.execute("SELECT * FROM llm_catalog_import(%s)", (text,))
        assert value(other, "SELECT llm_catalog_export()") == text
        assert value(other, "SELECT rows FROM ask('What sold?')") == [{"name": "Pen"}, {"name": "Ink"}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "other parts"),
        ("- a", "other parts"),
        ("models: []", "other parts"),
        ("tables: x", "must be a list"),
        ("tables: [{name: sale, descripton: x}]", "descripton"),
        ("tables: [{description: x}]", "lacks its name"),
        ("tables: [{name: sale, columns: [{name: id}]}]", "lacks its description"),
        ("metrics: [{name: m, table: sale}]", "lacks its expression"),
        ("metrics: [{name: m, table: sale, expression: sum(weight)}]", 'metric "m".*weight'),
        ("metrics: [{name: m, table: sale, expression: count(*), synonyms: a}]", "list of words"),
        ("examples: [{question: q, sql: DELETE FROM sale}]", "no SELECT"),
        ("a: [", "no YAML"),
        ("tables: &a [*a]", "alias"),
        ("x" * 1_100_000, "longer"),
    ],
)
def test_a_text_that_is_not_understood_changes_nothing(shop: psycopg.Connection, text: str, says: str) -> None:
    good = "tables: [{name: sale, description: what was sold}]\n" if text.startswith(("metrics", "examples")) else ""
    with pytest.raises(errors.InvalidParameterValue, match=says):
        shop.execute("SELECT * FROM llm_catalog_import(%s)", (good + text,))
    assert value(shop, "SELECT count(*) FROM llm.description") == 0
    with pytest.raises(errors.InvalidParameterValue, match="NULL"):
        shop.execute("SELECT * FROM llm_catalog_import(NULL)")


def test_a_text_about_what_one_may_not_read(shop: psycopg.Connection, role: str, connect: Connect) -> None:
    with connect(role) as other:
        for text in (
            "tables: [{name: public.sale, description: x}]",
            "metrics: [{name: m, table: sale, expression: count(*)}]",
        ):
            with pytest.raises(errors.UndefinedObject, match="that you may read"):
                other.execute("SELECT * FROM llm_catalog_import(%s)", (text,))


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("What is the revenue?", [40]),
        ("Show the turnover in Ulm", [30]),
        ("Revenue per city", [30]),
        ("Revenue in February 2026", [30]),
    ],
)
def test_a_question_is_answered_by_a_metric(shop: psycopg.Connection, question: str, rows: list[object]) -> None:
    shop.execute("SELECT llm_define_metric('revenue', 'sum(quantity * product.price)', 'sale', '{turnover}')")
    answered, assumptions, reason = shop.execute(
        "SELECT rows, assumptions, reason FROM ask(%s)", (question,)
    ).fetchone() or (None, None, None)
    assert answered is not None, reason
    assert [row.get("sum") for row in answered if "city" not in row or row["city"] == "Ulm"] == rows
    assert any("= sum(sale.quantity * product.price)" in each for each in assumptions)
