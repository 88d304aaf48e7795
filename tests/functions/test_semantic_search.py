from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from cranfield import ndcg, queries
from database import value


def quality(db: psycopg.Connection, mode: str) -> float:
    """Mean nDCG@10 over the queries of Cranfield."""
    search = "SELECT (s.key ->> 'id')::int FROM semantic_search(%s, 'document', 10, %s) AS s"
    scores = [ndcg([id for (id,) in db.execute(search, (query, mode))], relevant) for query, relevant in queries()]
    assert len(scores) == 225
    return sum(scores) / len(scores)


def test_quality_on_cranfield(cranfield: psycopg.Connection) -> None:
    vector, hybrid = quality(cranfield, "vector"), quality(cranfield, "hybrid")
    assert vector >= 0.49
    assert hybrid >= 0.56


@pytest.fixture
def reader(cranfield: psycopg.Connection) -> Iterator[str]:
    """A role without any right of its own."""
    cranfield.execute("CREATE ROLE searcher")
    yield "searcher"
    cranfield.rollback()
    cranfield.execute("RESET ROLE; DROP OWNED BY searcher; DROP ROLE searcher")


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


def test_reranking_puts_the_best_into_the_order_of_another_model(cranfield: psycopg.Connection) -> None:
    query = "boundary layer on a flat plate"
    plain = search(cranfield, query, "document", mode="text", k=30)
    found = search(cranfield, query, "document", mode="text", k=5, rerank="all-minilm-l6-v2")
    rescored = {key["id"]: score for key, score, _ in search(cranfield, query, "document", mode="vector", k=1400)}
    best = sorted((key["id"] for key, *_ in plain), key=lambda number: -rescored[number])[:5]
    assert [key["id"] for key, *_ in found] == best
    assert [score for _, score, _ in found] == pytest.approx([rescored[number] for number in best], abs=0.2)
    few = search(cranfield, query, "document", mode="text", k=5, rerank="all-minilm-l6-v2", min_score=found[1][1])
    assert len(few) == 2


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_row_level_security_holds_and_still_gives_k_rows(cranfield: psycopg.Connection, reader: str, mode: str) -> None:
    cranfield.execute("ALTER TABLE document ENABLE ROW LEVEL SECURITY")
    cranfield.execute(f"CREATE POLICY fiftieth ON document FOR SELECT TO {reader} USING (id % 50 = 0)")
    cranfield.execute(f"SET ROLE {reader}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        search(cranfield, "flow", "document", mode=mode)
    cranfield.execute(f"RESET ROLE; GRANT SELECT ON document TO {reader}; SET ROLE {reader}")
    found = search(cranfield, "flow over a wing in theory and experiment", "document", mode=mode, k=10)
    assert len(found) == 10
    assert all(row[0]["id"] % 50 == 0 for row in found)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"k": -1}, psycopg.errors.InvalidParameterValue),
        ({"k": 10_001}, psycopg.errors.InvalidParameterValue),
        ({"k": None}, psycopg.errors.InvalidParameterValue),
        ({"mode": "psychic"}, psycopg.errors.InvalidParameterValue),
        ({"mode": None}, psycopg.errors.InvalidParameterValue),
        ({"mode": "Vector"}, psycopg.errors.InvalidParameterValue),
        ({"name": "nope"}, psycopg.errors.UndefinedObject),
        ({"target": None}, psycopg.errors.InvalidParameterValue),
        ({"target": "nowhere"}, psycopg.errors.UndefinedTable),
        ({"target": "pg_class"}, psycopg.errors.UndefinedObject),
        ({"target": "pg_stats"}, psycopg.errors.UndefinedObject),
        ({"group_by": "page"}, psycopg.errors.InvalidParameterValue),
        ({"group_by": None}, psycopg.errors.InvalidParameterValue),
    ],
)
def test_bad_arguments_are_told(cranfield: psycopg.Connection, options: dict, error: type[Exception]) -> None:
    with pytest.raises(error):
        search(cranfield, "flow", **{"target": "document", **options})


@pytest.mark.parametrize("query", [None, "", "  \n"])
def test_nothing_asked_nothing_found(cranfield: psycopg.Connection, query: str | None) -> None:
    for mode in ("hybrid", "vector", "text"):
        assert search(cranfield, query, "document", mode=mode) == []
        assert search(cranfield, "flow", "document", k=0, mode=mode) == []


@pytest.mark.parametrize(
    "query", ["the of and", "'; DROP TABLE document; --", "\\ ' & | ! (:*)", "wing " * 20_000, "機翼"]
)
def test_strange_queries(cranfield: psycopg.Connection, query: str) -> None:
    notices: list[psycopg.errors.Diagnostic] = []
    cranfield.add_notice_handler(notices.append)
    assert len(search(cranfield, query, "document", k=3)) == 3
    assert len(search(cranfield, query, "document", k=3, mode="text")) <= 3
    assert value(cranfield, "SELECT count(*) FROM document") == 1400
    assert notices == []


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_all_there_are_and_each_once(cranfield: psycopg.Connection, mode: str) -> None:
    # Two documents of the collection have no text.
    with_text = {id for (id,) in cranfield.execute("SELECT id FROM document WHERE title || body <> ''")}
    assert len(with_text) == 1398
    flows = "SELECT id FROM document_embedding WHERE words @@ to_tsquery('flow')"
    expected = with_text if mode != "text" else {id for (id,) in cranfield.execute(flows)}
    found = [row[0]["id"] for row in search(cranfield, "flow", "document", mode=mode, k=10_000)]
    assert len(found) == len(set(found))
    assert set(found) == expected
    # A longer list begins as the shorter one; equal scores have an order too.
    if mode != "hybrid":
        assert [row[0]["id"] for row in search(cranfield, "flow", "document", mode=mode, k=20)] == found[:20]


def test_scores_are_what_they_are_said_to_be(cranfield: psycopg.Connection) -> None:
    (key, score, row), *_ = search(cranfield, "supersonic flutter", "document", mode="vector", k=1)
    assert score == pytest.approx(
        value(
            cranfield,
            "SELECT max(1 - (embedding <=> llm_embed('supersonic flutter'))) FROM document_embedding WHERE id = %s",
            key["id"],
        )
    )
    assert row["id"] == key["id"]
    both = search(cranfield, "supersonic flutter", "document", k=1000)
    assert 0 < both[-1][1] <= both[0][1] <= 1
    near, words = (
        {key["id"]: score for key, score, _ in search(cranfield, "supersonic flutter", "document", mode=mode, k=2000)}
        for mode in ("vector", "text")
    )
    # What a text would score that said both words as often as counts.
    idf = """
        SELECT ln(1 + (count(*) - count(*) FILTER (WHERE words @@ %s::tsquery) + 0.5)
                    / (count(*) FILTER (WHERE words @@ %s::tsquery) + 0.5))
        FROM document_embedding WHERE words <> ''
    """
    full = 2.2 * sum(float(value(cranfield, idf, term, term)) for term in ("superson", "flutter"))
    for key, score, _ in both[:50]:
        fused = 0.4 * near.get(key["id"], 0) / max(near.values()) + 0.6 * words.get(key["id"], 0) / full
        assert score == pytest.approx(fused, rel=0.01)


def test_k_rows_under_a_selective_filter(cranfield: psycopg.Connection) -> None:
    ids = list(range(100, 1400, 100))
    for mode in ("hybrid", "vector"):
        query = "SELECT (s.key ->> 'id')::int FROM semantic_search('boundary layer', 'document', 10, %s, %s) s"
        rows = [id for (id,) in cranfield.execute(query, (mode, json.dumps({"id": ids})))]
        assert len(set(rows)) == 10
        assert set(rows) <= set(ids)
    # The best of those that pass, not those of the best that pass.
    exact = (
        "SELECT id FROM document_embedding WHERE id = ANY(%s)"
        " GROUP BY id ORDER BY min(embedding <=> llm_embed('boundary layer')) LIMIT 10"
    )
    assert rows == [id for (id,) in cranfield.execute(exact, (ids,))]


def test_the_best_passage_is_shown(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, title text, body text)")
    filler = "The clerk filed another form about the weather of that day. " * 40
    needle = "Kangaroos carry their young in a pouch."
    db.execute(
        "INSERT INTO note VALUES (1, 'long', %s), (2, 'short', 'a cup of tea')", (filler + needle + " " + filler,)
    )
    db.execute("CALL semantic_index('note', '{title,body}', chunking => 'sentences', chunk_tokens => 64)")
    for mode in ("hybrid", "vector", "text"):
        query = "SELECT key, passage, start_pos, end_pos FROM semantic_search('kangaroo with young', 'note', 1, %s)"
        key, passage, start, end = db.execute(query, (mode,)).fetchone() or ()
        assert key == {"id": 1}
        assert needle.strip() in passage
        document = value(db, "SELECT title || chr(10) || body FROM note WHERE id = 1")
        assert document[start - 1 : end - 1] == passage
    chunks = "SELECT key, start_pos FROM semantic_search('weather', 'note', 10, group_by => 'chunk')"
    rows = db.execute(chunks).fetchall()
    assert len(rows) == len(set(map(str, rows))) == 10
    assert len(db.execute("SELECT key FROM semantic_search('weather', 'note', 10)").fetchall()) == 2


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_what_scores_too_little_stays_out(cranfield: psycopg.Connection, mode: str) -> None:
    scores = [row[1] for row in search(cranfield, "supersonic flutter", "document", mode=mode, k=20)]
    least = (scores[7] + scores[8]) / 2
    found = search(cranfield, "supersonic flutter", "document", mode=mode, k=20, min_score=least)
    assert [row[1] for row in found] == [score for score in scores if score >= least]
    assert search(cranfield, "supersonic flutter", "document", mode=mode, k=20, min_score=1000) == []


def test_a_vector_is_searched_for_as_its_text_is(cranfield: psycopg.Connection) -> None:
    by_text = search(cranfield, "supersonic flutter", "document", mode="vector", k=20)
    query = "SELECT s.key, s.score, s.row FROM semantic_search_by(llm_embed('supersonic flutter'), 'document', 20) AS s"
    assert cranfield.execute(query).fetchall() == by_text
    assert cranfield.execute("SELECT * FROM semantic_search_by(NULL, 'document')").fetchall() == []
    with pytest.raises(psycopg.errors.DataException, match="dimensions"):
        cranfield.execute("SELECT * FROM semantic_search_by('[1,2,3]', 'document')")


def test_what_is_not_of_todays_text_is_never_shown(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a cat'), (2, 'a dog')")
    db.execute("CALL semantic_index('note', '{body}', sync => 'manual')")
    db.execute("UPDATE note SET body = 'an engine' WHERE id = 1; INSERT INTO note VALUES (3, 'a kitten')")
    for mode in ("hybrid", "vector", "text"):
        assert [row[0] for row in search(db, "dog or cat", "note", mode=mode)] == [{"id": 2}]
    db.execute("CALL semantic_refresh('note')")
    assert {row[0]["id"] for row in search(db, "cat", "note")} == {1, 2, 3}


def test_every_session_finds_what_another_has_written(db: psycopg.Connection) -> None:
    db.execute(
        "CREATE TABLE note (id float8, day date, at timestamptz, took interval, raw bytea, PRIMARY KEY (id, day))"
    )
    strange = (
        "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'Asia/Tokyo';"
        " SET bytea_output = 'escape'; SET extra_float_digits = -5"
    )
    rows = "SELECT n / 3.0, '2024-02-{:02}', now(), n * interval '1.5 h', 'x' FROM generate_series(1, 3) AS n"
    db.execute(strange)
    db.execute("INSERT INTO note " + rows.format(1))
    db.execute("CALL semantic_index('note', '{at,day,took,raw,id}')")
    db.execute("INSERT INTO note " + rows.format(2))
    db.execute("RESET ALL")
    db.execute("INSERT INTO note " + rows.format(3))
    for setting in ("RESET ALL", strange):
        db.execute(setting)
        for mode in ("hybrid", "vector", "text"):
            assert len(search(db, "2024", "note", mode=mode)) == 9, (setting, mode)


def test_in_views_and_joins_of_a_role_that_may_only_read(cranfield: psycopg.Connection, reader: str) -> None:
    cranfield.execute(
        "CREATE TABLE question (text text); INSERT INTO question VALUES ('heat transfer'), ('wing flutter')"
    )
    cranfield.execute(
        "CREATE VIEW dashboard WITH (security_barrier) AS SELECT q.text, d.id, d.title, s.score FROM question q,"
        " semantic_search(q.text, 'document', 3) s JOIN document d ON d.id = (s.key ->> 'id')::int"
    )
    cranfield.execute(f"GRANT SELECT ON document, question, dashboard TO {reader}; SET ROLE {reader}; BEGIN READ ONLY")
    rows = cranfield.execute("SELECT text, title FROM dashboard ORDER BY text, score DESC").fetchall()
    assert [text for text, _ in rows] == ["heat transfer"] * 3 + ["wing flutter"] * 3
    assert any("heat transfer" in title for _, title in rows[:3])
    assert any("flutter" in title for _, title in rows[3:])
    cranfield.execute("PREPARE ask(text) AS SELECT s.row ->> 'title' FROM semantic_search($1, 'document', 1) s")
    for _ in range(7):
        assert "flutter" in value(cranfield, "EXECUTE ask('wing flutter')")


def test_sees_what_the_transaction_sees(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text); CALL semantic_index('note', '{body}')")
    db.execute("INSERT INTO note VALUES (1, 'a cat'), (2, 'an engine')")
    for mode in ("hybrid", "vector", "text"):
        db.execute("BEGIN; INSERT INTO note VALUES (3, 'a violin'); DELETE FROM note WHERE id = 1")
        found = {row[0]["id"] for row in search(db, "violin or cat", "note", mode=mode)}
        assert found == ({3} if mode == "text" else {2, 3})
        db.execute("ROLLBACK")
        found = {row[0]["id"] for row in search(db, "violin or cat", "note", mode=mode)}
        assert found == ({1} if mode == "text" else {1, 2})
    db.execute("TRUNCATE note")
    assert search(db, "violin", "note") == []


def test_rare_words_weigh_more(db: psycopg.Connection) -> None:
    db.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
    db.execute("INSERT INTO note SELECT n, 'the common engine number' FROM generate_series(1, 50) n")
    db.execute("INSERT INTO note VALUES (51, 'a gasket somewhere'), (52, 'common common common engine engine')")
    db.execute("CALL semantic_index('note', '{body}')")
    assert search(db, "common engine gasket", "note", mode="text", k=1)[0][0] == {"id": 51}
