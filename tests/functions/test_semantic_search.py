from __future__ import annotations

import csv
import math
from collections import defaultdict

import psycopg
import pytest
from database import DATA, value


def ndcg(db: psycopg.Connection, mode: str) -> float:
    """Mean nDCG@10 over the queries of Cranfield, every judged grade above 0 being relevant."""
    with (DATA / "cranfield" / "judgements.csv").open() as file:
        relevant: dict[int, set[int]] = defaultdict(set)
        for row in csv.DictReader(file):
            if int(row["grade"]) > 0:
                relevant[int(row["query_id"])].add(int(row["document_id"]))
    with (DATA / "cranfield" / "queries.csv").open() as file:
        queries = [row["text"] for row in csv.DictReader(file)]
    scores = []
    for number, query in enumerate(queries, 1):
        found = db.execute(
            "SELECT (s.key ->> 'id')::int FROM semantic_search(%s, 'document', 10, %s) AS s", (query, mode)
        )
        gain = sum(1 / math.log2(rank + 2) for rank, (id,) in enumerate(found) if id in relevant[number])
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant[number]))))
        scores.append(gain / ideal)
    assert len(scores) == 225
    return sum(scores) / len(scores)


def test_quality_on_cranfield(cranfield: psycopg.Connection) -> None:
    vector, hybrid = ndcg(cranfield, "vector"), ndcg(cranfield, "hybrid")
    assert vector >= 0.51
    assert hybrid > vector


def search(db: psycopg.Connection, *parameters: object, **options: object) -> list[tuple]:
    named = "".join(f", {name} => %s" for name in options)
    query = f"SELECT s.key, s.score, s.row FROM semantic_search({', '.join(['%s'] * len(parameters))}{named}) AS s"
    return db.execute(query, (*parameters, *options.values())).fetchall()


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_k_rows_best_first(cranfield: psycopg.Connection, mode: str) -> None:
    found = search(cranfield, "heat transfer in laminar flow", "document", mode=mode, k=7)
    assert len(found) == 7
    assert [row[1] for row in found] == sorted((row[1] for row in found), reverse=True)
    assert found[0][2].keys() == {"id", "title", "author", "body"}
    assert len({row[0]["id"] for row in found}) == 7


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
def test_k_rows_under_a_selective_filter(cranfield: psycopg.Connection, mode: str) -> None:
    ids = list(range(100, 1400, 100))
    found = search(cranfield, "boundary layer", "document", mode=mode, k=10, filter=f'{{"id": {ids}}}')
    assert len(found) == 10
    assert {row[0]["id"] for row in found} <= set(ids)


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_row_level_security_holds_and_still_gives_k_rows(cranfield: psycopg.Connection, mode: str) -> None:
    cranfield.execute("CREATE ROLE analyst; ALTER TABLE document ENABLE ROW LEVEL SECURITY")
    try:
        cranfield.execute("CREATE POLICY fiftieth ON document FOR SELECT TO analyst USING (id % 50 = 0)")
        cranfield.execute("SET ROLE analyst")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            search(cranfield, "flow", "document", mode=mode)
        cranfield.execute("RESET ROLE; GRANT SELECT ON document TO analyst; SET ROLE analyst")
        found = search(cranfield, "flow over a wing in theory and experiment", "document", mode=mode, k=10)
        assert len(found) == 10
        assert all(row[0]["id"] % 50 == 0 for row in found)
    finally:
        cranfield.execute("RESET ROLE; DROP OWNED BY analyst; DROP ROLE analyst")


FILTERS = [
    ('{"id": 5}', "id = 5"),
    ('{"id": {">=": 10, "<": 20}}', "id >= 10 AND id < 20"),
    ('{"id": {"!=": 5}}', "id <> 5"),
    ('{"id": [1, 2, null]}', "id IN (1, 2)"),
    ('{"id": {"not in": [1, 2]}}', "id NOT IN (1, 2)"),
    ('{"author": {"like": "%brenckman%"}}', "author LIKE '%brenckman%'"),
    ('{"author": {"ILIKE": "%BRENCKMAN%"}}', "author ILIKE '%brenckman%'"),
    ('{"author": null}', "author IS NULL"),
    ('{"author": {"!=": null}, "id": {"<=": 3}}', "author IS NOT NULL AND id <= 3"),
    ("{}", "true"),
    ("""{"author": "x' OR true --"}""", "false"),
]


@pytest.mark.parametrize(("filter", "where"), FILTERS)
def test_filters_mean_what_sql_means(cranfield: psycopg.Connection, filter: str, where: str) -> None:
    found = search(cranfield, "flow", "document", mode="vector", k=2000, filter=filter)
    expected = cranfield.execute(f"SELECT id FROM document WHERE {where} AND embedding IS NOT NULL").fetchall()
    assert {row[0]["id"] for row in found} == {id for (id,) in expected}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"filter": "[]"}, psycopg.errors.InvalidParameterValue),
        ({"filter": '{"nope": 1}'}, psycopg.errors.InvalidParameterValue),
        ({"filter": '{"id; DROP TABLE document": 1}'}, psycopg.errors.InvalidParameterValue),
        ({"filter": '{"id": {"= 1 OR 1 =": 1}}'}, psycopg.errors.InvalidParameterValue),
        ({"filter": '{"id": {"in": 1}}'}, psycopg.errors.InvalidParameterValue),
        ({"filter": '{"id": {"<": null}}'}, psycopg.errors.InvalidParameterValue),
        ({"filter": '{"id": "abc"}'}, psycopg.errors.InvalidTextRepresentation),
        ({"k": -1}, psycopg.errors.InvalidParameterValue),
        ({"k": 10_001}, psycopg.errors.InvalidParameterValue),
        ({"k": None}, psycopg.errors.InvalidParameterValue),
        ({"mode": "psychic"}, psycopg.errors.InvalidParameterValue),
        ({"name": "nope"}, psycopg.errors.UndefinedObject),
    ],
)
def test_bad_arguments_are_told(cranfield: psycopg.Connection, options: dict, error: type[Exception]) -> None:
    with pytest.raises(error):
        search(cranfield, "flow", "document", **options)


@pytest.mark.parametrize("query", [None, "", "  \n"])
def test_nothing_asked_nothing_found(cranfield: psycopg.Connection, query: str | None) -> None:
    assert search(cranfield, query, "document") == []
    assert search(cranfield, "flow", "document", k=0) == []


@pytest.mark.parametrize(
    "query", ["the of and", "'; DROP TABLE document; --", "\\ ' & | ! (:*)", "wing " * 20_000, "機翼"]
)
def test_strange_queries(cranfield: psycopg.Connection, query: str) -> None:
    assert len(search(cranfield, query, "document", k=3)) == 3
    assert len(search(cranfield, query, "document", k=3, mode="text")) <= 3
    assert value(cranfield, "SELECT count(*) FROM document") == 1400
