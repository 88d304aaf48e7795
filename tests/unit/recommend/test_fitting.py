from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import FakeConnection
from fake_recommender import OPTIONS, ROW
from pg_llm.database import model_files, registry
from pg_llm.errors import DuplicateRecommender, InsufficientPrivilege, InvalidInput
from pg_llm.functions import recommender as faces
from pg_llm.recommend import item_table
from pg_llm.runtime import client

METRICS = {"share": 1.5, "decay": 0.7, "backward": 0.3, "lift": 0.1, "fresh": 1, "epochs": 2, "ndcg": 0.4}
# Three items: vector, whether it is fresh, neighbors and their weights.
LINES = "[1,0,0]\tf\t{1,2}\t{0.5,0.25}\n[0,1,0]\tf\t{0}\t{0.5}\n[0,0,1]\tt\t{}\t{}\n"


class Trainer:
    """In place of the host's training."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job: dict[str, Any] = {}
        self.rows: list[Any] = []
        self.registered: list[tuple[Any, ...]] = []

    def train(self, engine: str, job: dict[str, Any], rows: list[Any], about: dict[str, Any], poll: object) -> Any:
        self.job, self.rows = job, rows
        (self.folder / "items.tsv").write_text(LINES)
        return {"folder": str(self.folder / "model"), "digest": "d1", "seconds": 3.0, "metrics": METRICS}


@pytest.fixture
def trainer(shop: FakeConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    trainer = Trainer(tmp_path)
    monkeypatch.setattr(client, "train", trainer.train)
    monkeypatch.setattr(client, "release", lambda engine, poll: None)
    monkeypatch.setattr(client, "abandon", lambda: None)
    monkeypatch.setattr(model_files, "store", lambda db, folder, digest: trainer.registered.append(("store", digest)))
    for name in ("register", "replace_files", "drop"):
        monkeypatch.setattr(registry, name, lambda db, *given, name=name: trainer.registered.append((name, *given)))
    monkeypatch.setattr(registry, "new_name", lambda db, name, what: name)
    db = shop
    db.answer("current_schema()", [{"name": "public"}])
    db.answer("CURRENT_USER::text AS name", [{"name": "ann"}])
    db.answer("SELECT $1::text[] AS names", [{"names": ["title", "year"]}])
    db.answer("has_table_privilege('llm.recommender'", [{"allowed": True}])
    db.answer("relnamespace = quote_ident($1)::regnamespace", [])
    events = [("7", "a"), ("7", "b"), ("8", "b"), ("8", "a"), ("8", "gone")]
    db.answer("::float8 AS w", [{"u": u, "i": i, "w": 1.0, "t": str(n)} for n, (u, i) in enumerate(events)])
    db.answer("AS x FROM", [{"i": "a", "x": "A"}, {"i": "b", "x": ""}, {"i": "c", "x": "C"}])
    db.answer("sum(w)::float8 AS popularity", [{"i": "a", "popularity": 2.0}])
    db.answer("LEFT JOIN llm.model AS m", [registered()])
    for part in (
        "CREATE TABLE",
        "CREATE INDEX",
        "COMMENT ON",
        "ANALYZE",
        "GRANT",
        "INSERT INTO",
        "aclexplode",
        "DROP TABLE",
    ):
        db.answer(part, [])
    for part in ("DELETE FROM", "UPDATE llm.recommender", "FOR UPDATE"):
        db.answer(part, [])
    db.answer("FROM pg_index AS i JOIN pg_attribute AS a", [])
    return trainer


def fit(db: FakeConnection, **changed: Any) -> Any:
    given: dict[str, Any] = {
        "name": "films",
        "events": "rental",
        "user_column": "customer",
        "item_column": "film",
        "time_column": "at",
        "weight_column": None,
        "items": "film",
        "item_key": "id",
        "item_text": "title",
        "options": {"dimensions": 8, "heads": 2},
    }
    return faces.llm_fit_recommender.__wrapped__(db, **(given | changed))


def test_a_recommender_is_fitted(shop: FakeConnection, trainer: Trainer) -> None:
    summary = fit(shop)
    assert summary == {"recommender": "films", "seconds": 3.0, "events": 4, "items": 3, **METRICS}
    # Texts in the order of the items' numbers, then users; the event of an item that is gone does not count.
    assert trainer.rows == [
        ("item", "A"),
        ("item", None),
        ("item", "C"),
        ("user", ([0, 1], [1.0, 1.0])),
        ("user", ([1, 0], [1.0, 1.0])),
    ]
    assert trainer.job["options"]["dimensions"] == 8
    assert trainer.job["options"]["epochs"] == 30
    assert trainer.job["before"] is None
    assert trainer.job["base"]["name"] == "echo"
    assert trainer.registered == [
        ("store", "d1"),
        ("register", "films", "recommendation", "database:d1", None, {}),
    ]
    (made,) = shop.asked("CREATE TABLE public.recommender_films")
    assert "embedding public.vector(9)" in made.query
    assert len(shop.asked("USING hnsw (embedding public.vector_ip_ops)")) == 2
    (rows,) = shop.asked("INSERT INTO public.recommender_films")
    assert rows.values == (
        [0, 1, 2],
        ["a", "b", "c"],
        ["[1,0,0]", "[0,1,0]", "[0,0,1]"],
        [2.0, 0.0, 0.0],
        [False, False, True],
        ["{1,2}", "{0}", "{}"],
        ["{0.5,0.25}", "{0.5}", "{}"],
    )
    (row,) = shop.asked("INSERT INTO llm.recommender")
    assert row.values[:7] == ("films", 20000, None, None, "customer", "film", "at")
    assert json.loads(row.values[-1])["items"] == 3
    assert json.loads(row.values[-1])["share"] == 1.5
    (recorded,) = shop.asked("INSERT INTO llm.run")
    assert recorded.values[6] == 4
    assert shop.settings["search_path"] == "public"


def test_who_may_read_the_events_may_read_the_items(shop: FakeConnection, trainer: Trainer) -> None:
    shop.answer("aclexplode", [{"role": "PUBLIC"}, {"role": '"Bo"'}])
    fit(shop)
    assert [call.query.partition(" TO ")[2] for call in shop.asked("GRANT SELECT ON public.recommender_films")] == [
        "PUBLIC",
        '"Bo"',
    ]


def test_an_index_is_advised_where_there_is_none(shop: FakeConnection, trainer: Trainer) -> None:
    fit(shop)
    ((_, message, hint),) = shop.messages
    assert "recommend() will read all of public.rental each time" in message
    assert hint == "CREATE INDEX ON public.rental (customer, at);"
    shop.answer("AND a.attname = $2 LIMIT 1", [{}])
    fit(shop)
    assert len(shop.messages) == 1


def test_events_of_a_query(shop: FakeConnection, trainer: Trainer) -> None:
    shop.describe_as("SELECT", [("customer", 0), ("film", 1), ("at", 2)])
    shop.answer("SELECT oid::int8 AS oid FROM pg_roles", [{"oid": 10}])
    fit(shop, events=" SELECT * FROM rental; ", items=None, item_key=None, item_text=None)
    (row,) = shop.asked("INSERT INTO llm.recommender")
    assert row.values[1:4] == (None, "SELECT * FROM rental", "public")
    # Without a table of items, each item with an event is one.
    assert trainer.job["base"] is None
    assert trainer.rows[:3] == [("item", None)] * 3
    assert not shop.messages


def test_several_columns_of_text(shop: FakeConnection, trainer: Trainer) -> None:
    fit(shop, item_text="{title,year}")
    assert "concat_ws(E'\\n', nullif(t.title" in shop.asked("AS x FROM")[0].query
    assert "t.year::pg_catalog.text" in shop.asked("AS x FROM")[0].query


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"events": None}, "events must not be NULL"),
        ({"user_column": None}, "user_column must not be NULL"),
        ({"events": "rentals"}, 'no table "rentals" of events'),
        ({"item_key": None}, "items and item_key belong together"),
        ({"items": None, "item_key": None}, "items and item_key belong together"),
        ({"options": []}, "options must be a JSON object"),
        ({"options": {"speed": 1}}, 'unknown option "speed"'),
        ({"options": {"dimensions": 9, "heads": 2}}, 'must be a multiple of "heads"'),
        ({"name": "x" * 46}, "has at most 45 characters"),
        ({"user_column": "who"}, 'no column "who" for user_column'),
    ],
)
def test_what_cannot_be_fitted(shop: FakeConnection, trainer: Trainer, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        fit(shop, **changed)
    assert not shop.asked("CREATE TABLE")


def test_too_few_events(shop: FakeConnection, trainer: Trainer) -> None:
    shop.answer("::float8 AS w", [{"u": "7", "i": "a", "w": 1.0, "t": "1"}, {"u": "8", "i": "a", "w": 1.0, "t": "1"}])
    with pytest.raises(InvalidInput, match="too few events"):
        fit(shop)


def test_something_in_the_way(shop: FakeConnection, trainer: Trainer) -> None:
    shop.answer("relnamespace = quote_ident($1)::regnamespace", [{}])
    with pytest.raises(DuplicateRecommender, match='"recommender_films" is in the way'):
        fit(shop)
    shop.answer("current_schema()", [{"name": None}])
    with pytest.raises(InvalidInput, match="there is no schema"):
        fit(shop)
    shop.answer("has_table_privilege('llm.recommender'", [{"allowed": False}])
    with pytest.raises(InsufficientPrivilege, match="permission denied to fit a recommender"):
        fit(shop)


@pytest.fixture
def fitted(films: FakeConnection, trainer: Trainer) -> FakeConnection:
    films.answer("FROM llm.recommender AS r", lambda call: [ROW] if call.values[0] == "films" else [])
    films.answer(
        "LEFT JOIN llm.model AS m",
        lambda call: [registered(call.values[0] or "echo", "recommendation" if call.values[0] else "embedding")],
    )
    films.answer(
        "SELECT item, number FROM public.recommender_films WHERE version = 4",
        [{"item": "b", "number": 0}, {"item": "old", "number": 1}],
    )
    return films


def test_a_refit_goes_on(fitted: FakeConnection, trainer: Trainer, host: EchoHost) -> None:
    lines = [
        "[1,0,0]\tf\t{1,3}\t{0.5,0.25}",
        "[9,9,9]\tf\t{}\t{}",
        "[0,0,1]\tt\t{}\t{}",
        "[2,2,2]\tf\t{0,1}\t{0.1,0.2}",
    ]

    def train(*given: Any) -> Any:
        made = Trainer.train(trainer, *given)
        (trainer.folder / "items.tsv").write_text("\n".join([*lines, "[3,3,3]\tf\t{}\t{}"]) + "\n")
        return made

    client.train = train  # type: ignore[assignment]  # the fixture's monkeypatch restores it
    summary = faces.llm_refit.__wrapped__(fitted, "films", {"epochs": 5})
    assert summary["items"] == 3
    assert trainer.job["options"]["epochs"] == 5
    assert trainer.job["options"]["dimensions"] == OPTIONS["dimensions"]
    assert trainer.job["before"]["name"] == "films"
    # Items keep their number, new ones follow; "old" is gone, and no neighbor any more.
    (rows,) = fitted.asked("INSERT INTO public.recommender_films")
    assert rows.values[:2] == ([0, 3, 4], ["b", "a", "c"])
    assert rows.values[5] == ["{3}", "{0}", "{}"]
    assert rows.values[6] == ["{0.25}", "{0.1}", "{}"]
    assert "SELECT 5, n, i" in rows.query
    assert trainer.registered[-1] == ("replace_files", "films", "d1")
    assert fitted.asked("DELETE FROM public.recommender_films WHERE version = 4")
    assert fitted.asked("SELECT FROM llm.recommender WHERE name = $1 FOR UPDATE")
    # Its files must lie on the disk before the training reads them.
    assert host.requests[0].task == "load"


def test_the_shape_of_the_network_stays(fitted: FakeConnection) -> None:
    with pytest.raises(InvalidInput, match='option "layers" cannot change in a refit'):
        faces.llm_refit.__wrapped__(fitted, "films", {"layers": 3})
    with pytest.raises(InvalidInput, match="name must not be NULL"):
        faces.llm_refit.__wrapped__(fitted, None, {})


def test_an_evaluation_is_compared_with_baselines(fitted: FakeConnection, host: EchoHost) -> None:
    metrics = dict.fromkeys(("hr", "ndcg", "mrr", "coverage", "novelty", "users"), 0.5)
    measured = {"recommender": metrics, "popularity": metrics | {"hr": 0.1}, "neighbours": metrics | {"hr": 0.3}}
    host.answers["recommendation"] = lambda inputs, options: [json.dumps(measured)]
    fitted.answer("LIMIT 0", [])
    rows = faces.llm_evaluate_recommender.__wrapped__(fitted, "films", 10)
    assert rows[0] == {"metric": "hr", "value": 0.5, "popularity": 0.1, "neighbours": 0.3}
    assert len(rows) == 6
    assert host.requests[-1].options == {"k": 10}
    host.answers["recommendation"] = lambda inputs, options: ["{}"]
    assert faces.llm_evaluate_recommender.__wrapped__(fitted, "films", 10) == []
    for k in (None, 0, 101):
        with pytest.raises(InvalidInput, match="k must lie between 1 and 100"):
            faces.llm_evaluate_recommender.__wrapped__(fitted, "films", k)


def test_a_recommender_is_dropped_with_its_table_and_model(fitted: FakeConnection, trainer: Trainer) -> None:
    faces.llm_drop_recommender.__wrapped__(fitted, "films")
    assert fitted.asked("DELETE FROM llm.recommender WHERE name = $1")[0].values == ("films",)
    assert fitted.asked("DROP TABLE public.recommender_films")
    assert trainer.registered == [("drop", "films")]
    fitted.answer("FROM llm.recommender AS r", [ROW | {"catalogue": None}])
    faces.llm_drop_recommender.__wrapped__(fitted, "films")
    assert len(fitted.asked("DROP TABLE")) == 1


def test_a_large_table_is_stored_in_batches(db: FakeConnection) -> None:
    db.answer("FROM pg_extension", [{"schema": "public"}])
    db.answer("INSERT INTO", [])
    lines = (f"[{n}]\tf\t{{}}\t{{}}\n" for n in range(1200))
    item_table.store(db, "t", 1, 10, lines, {n: str(n) for n in range(1200)}, 1200, {})
    assert [len(call.values[0]) for call in db.asked("INSERT INTO")] == [500, 500, 200]
    assert db.polls == 3
