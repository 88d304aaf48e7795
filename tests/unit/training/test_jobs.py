"""Trainings in a backend: what is checked before, sent to the host, stored and recorded after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from echo import EchoHost, registered, vector
from fake_connection import Call, FakeConnection
from pg_llm.database.column_types import ColumnType
from pg_llm.errors import DuplicateModel, InsufficientPrivilege, InvalidInput
from pg_llm.functions import training as face
from pg_llm.runtime import client
from pg_llm.training import jobs

ROWS = [("good", "praise"), ("great", "praise"), ("bad", "complaint"), ("awful", "complaint")]
QUERY = "SELECT body, mood FROM note"


def embedded(rows: Sequence[Any]) -> list[Any]:
    return [(*row, json.dumps(vector(row[0]))) for row in rows]


class Trainer:
    """Stands for the host: keeps the job, and leaves a folder with one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "model.json").write_text("{}")
        self.jobs: list[dict[str, Any]] = []
        self.rows: list[Any] = []
        self.about: dict[str, Any] = {}
        self.released = self.abandoned = 0
        self.result: dict[str, Any] = {
            "metrics": {"micro_f1": 0.8, "macro_f1": 0.9, "baseline_f1": 0.5, "validation_rows": 20},
            "seconds": 1.5,
            "folder": str(folder),
            "digest": "d" * 64,
        }
        self.failure: Exception | None = None

    def train(self, engine: str, job: Any, rows: Sequence[Any], about: Any, poll: Any) -> Any:
        self.jobs.append(job)
        self.rows, self.about = list(rows), about
        if self.failure:
            raise self.failure
        return self.result

    def release(self, engine: str, poll: Any) -> None:
        self.released += 1

    def abandon(self) -> None:
        self.abandoned += 1


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: EchoHost) -> Trainer:
    trainer = Trainer(tmp_path)
    for name in ("train", "release", "abandon"):
        monkeypatch.setattr(client, name, getattr(trainer, name))
    return trainer


def _registered(call: Call) -> list[dict[str, Any]]:
    return [registered(call.values[0] or "minilm", "entities" if call.values[0] == "lac" else "embedding")]


@pytest.fixture
def db(db: FakeConnection) -> FakeConnection:
    described: dict[str, Any] = dict.fromkeys(ColumnType.__dataclass_fields__, True) | {"name": "text"}
    db.answer("pg_type", lambda call: [described for _ in call.values[0]])
    db.answer("has_table_privilege('llm.model'", [{"allowed": True}])
    db.answer("SELECT FROM llm.model WHERE name = $1")
    db.answer("LEFT JOIN llm.model AS m", _registered)
    db.answer("pg_backend_pid()", [{"pid": 7, "datname": "shop", "usename": "me", "started_at": "now"}])
    db.answer("FROM pg_catalog.pg_extension", [{"owner": 99}])
    db.answer("SELECT FROM llm.model_file WHERE digest")
    db.answer("INSERT INTO llm.model_file")
    db.answer("INSERT INTO llm.run")
    db.answer("INSERT INTO llm.training_lineage")
    db.answer("AS trainers FROM pg_roles", [{"trainers": None}])
    db.answer("INSERT INTO llm.model (name", [{"name": "moods"}])
    table(db, QUERY, ROWS)
    return db


def table(db: FakeConnection, query: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """A query, its first column as text and the others as JSON."""
    db.describe_as(query, [(f"x{number}", 25) for number in range(len(rows[0]) if rows else 2)])
    answer = [
        {"c1": row[0], **{f"c{number}": json.dumps(value) for number, value in enumerate(row[1:], 2)}} for row in rows
    ]
    db.answer(f"FROM ({query}", answer)


def fit(db: FakeConnection, task: str = "classify", method: str | None = None, options: Any = None) -> dict[str, Any]:
    return face.llm_fit.__wrapped__(db, "moods", task, QUERY, None, method, options or {})


def test_a_model_is_trained_stored_registered_and_recorded(
    db: FakeConnection, trainer: Trainer, host: EchoHost
) -> None:
    assert fit(db) == {"model": "moods", "method": "head", "seconds": 1.5, **trainer.result["metrics"]}
    assert db.messages == []
    (job,) = trainer.jobs
    assert (job["task"], job["method"], job["options"]) == (
        "classify",
        "head",
        {"validation": 0.2, "seed": 0},
    )
    assert job["base"]["name"] == "minilm"
    assert trainer.rows == embedded(ROWS)
    assert trainer.about == {
        "pid": 7,
        "datname": "shop",
        "usename": "me",
        "started_at": "now",
        "command": "llm_fit",
        "target": "classify",
        "name": "moods",
    }
    assert [request.task for request in host.requests] == ["text_vectors", "load", "resolve", "fingerprint"]
    assert db.asked("INSERT INTO llm.training_lineage")[0].values == ("d" * 64, 0, "k", "0f")
    (stored,) = db.asked("INSERT INTO llm.model_file")
    assert (stored.values, stored.role) == (("d" * 64, "model.json", 0, b"{}"), 99)
    (model,) = db.asked("INSERT INTO llm.model (name")
    assert model.values[:3] == ("moods", "classification", f"database:{'d' * 64}")
    assert json.loads(model.values[8])["name"] == "minilm"
    (run,) = db.asked("INSERT INTO llm.run")
    assert run.values[:7] == ("moods", "classify", "head", "minilm", "ec40", "d" * 64, 4)
    assert (trainer.released, trainer.abandoned) == (1, 0)
    assert db.settings["search_path"] == "public"


def test_a_fine_tuned_model_reads_with_no_other(db: FakeConnection, trainer: Trainer) -> None:
    fit(db, method="finetune", options={"epochs": 2})
    assert db.asked("INSERT INTO llm.model (name")[0].values[8] is None
    assert trainer.jobs[0]["options"]["epochs"] == 2


def test_adapters_read_with_the_network_that_they_are_of(db: FakeConnection, trainer: Trainer) -> None:
    fit(db, method="lora")
    assert json.loads(db.asked("INSERT INTO llm.model (name")[0].values[8])["name"] == "minilm"
    assert trainer.rows == ROWS


def test_each_trial_of_a_search_is_recorded_before_what_it_made(db: FakeConnection, trainer: Trainer) -> None:
    told = [{"options": {"warmup": share}, "seconds": 1.0, "score": share, "is_pruned": False} for share in (0.1, 0.2)]
    trainer.result["metrics"] = {
        **trainer.result["metrics"],
        "test_rows": 2,
        "options": {"warmup": 0.2},
        "trials": told,
    }
    found = face.llm_tune.__wrapped__(db, "moods", "classify", QUERY, None, None, 2, {"seed": 1})
    assert (found["options"], "trials" in found) == ({"warmup": 0.2}, False)
    (job,) = trainer.jobs
    assert (job["method"], job["trials"], job["fixed"]) == ("finetune", 2, ["seed"])
    runs = [
        (run.values[5], json.loads(run.values[8]), json.loads(run.values[9])) for run in db.asked("INSERT INTO llm.run")
    ]
    assert [digest for digest, *_ in runs] == [None, None, "d" * 64]
    assert [options["warmup"] for _, options, _ in runs] == [0.1, 0.2, 0.2]
    assert [measured.get("trial") for *_, measured in runs] == [1, 2, None]
    assert "trials" not in runs[2][2]


def test_many_rows_and_those_of_other_methods_are_not_embedded_before(
    db: FakeConnection, trainer: Trainer, host: EchoHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(db, method="finetune")
    assert trainer.rows == ROWS
    monkeypatch.setattr(jobs.dataset, "SHORT", 3)
    fit(db)
    assert trainer.rows == ROWS
    assert "text_vectors" not in [request.task for request in host.requests]


def test_labels_that_may_be_meant_to_be_one_are_told(db: FakeConnection, trainer: Trainer) -> None:
    table(db, QUERY, [*ROWS, ("fine", "Praise"), ("nice", "Praise"), ("swell", "praise")])
    fit(db)
    ((kind, warning, hint),) = db.messages
    assert (kind, warning) == ("warning", 'the label "Praise" (2) may be meant to be "praise" (3)')
    assert "two labels" in hint


@pytest.mark.parametrize(
    ("score", "baseline", "says"),
    [(0.5, 0.5, "the same answer for every row has 0.50"), (0.0, 0.0, "it finds nothing there")],
)
def test_a_model_that_learnt_nothing_is_told(
    db: FakeConnection, trainer: Trainer, score: float, baseline: float, says: str
) -> None:
    trainer.result["metrics"] |= {"micro_f1": score, "baseline_f1": baseline}
    assert fit(db)["model"] == "moods"
    ((kind, warning, hint),) = db.messages
    assert (kind, bool(hint)) == ("warning", True)
    assert f"on the 20 rows kept back is {score:.2f}, and {says}" in warning


def private(db: FakeConnection, **options: Any) -> dict[str, Any]:
    return fit(db, options={"epsilon": 3, **options})


def test_of_private_rows_no_digest_is_kept(db: FakeConnection, trainer: Trainer) -> None:
    db.answer("SELECT FROM llm.training_lineage LIMIT 1")
    private(db)
    assert trainer.rows == embedded(ROWS)
    assert trainer.jobs[0]["options"]["epsilon"] == 3
    (run,) = db.asked("INSERT INTO llm.run")
    assert run.values[6:8] == (4, "")


def test_persons_go_with_their_rows_and_are_counted(db: FakeConnection, trainer: Trainer) -> None:
    db.answer("SELECT FROM llm.training_lineage LIMIT 1")
    table(db, QUERY, [(*row, number % 2) for number, row in enumerate(ROWS)])
    db.describe_as(QUERY, [("body", 25), ("mood", 25), ("author", 23)])
    private(db, unit="author")
    assert trainer.rows == [(*row, str(number % 2)) for number, row in enumerate(embedded(ROWS))]
    (run,) = db.asked("INSERT INTO llm.run")
    assert run.values[6:8] == (2, "")
    with pytest.raises(InvalidInput, match='third column of the query is "author", and the unit "patient"'):
        private(db, unit="patient")


@pytest.mark.parametrize("base", ["minilm", "other"])
def test_a_base_that_knows_the_rows_breaks_the_promise(db: FakeConnection, trainer: Trainer, base: str) -> None:
    db.answer("SELECT FROM llm.training_lineage LIMIT 1", [{}])
    db.answer("SELECT m.name, n.digest", [{"name": base, "digest": "b", "part": 0, "key": "k"}])
    db.answer("SELECT encode(n.hashes", [{"hashes": "0f" + 15 * "00"}])
    if base == "minilm":
        db.answer("SELECT m.name, n.digest", [{"name": base, "digest": "b", "part": 0, "key": "of another server"}])
        with pytest.raises(InvalidInput, match='base model "minilm" has learnt from these rows'):
            private(db)
        assert trainer.jobs == []
    else:
        assert private(db)["model"] == "moods"


def test_delta_is_less_than_one_in_the_rows(db: FakeConnection, trainer: Trainer) -> None:
    table(db, QUERY, ROWS * 50)
    with pytest.raises(InvalidInput, match="delta 0.005 is too large for 200 rows") as caught:
        private(db, delta=0.005)
    assert caught.value.hint == "Choose less than one in their number, such as 5e-04."


@pytest.mark.parametrize(("score", "is_told"), [(0.75, False), (0.65, True)])
def test_noise_is_no_success(db: FakeConnection, trainer: Trainer, score: float, is_told: bool) -> None:
    db.answer("SELECT FROM llm.training_lineage LIMIT 1")
    trainer.result["metrics"] |= {"micro_f1": score, "micro_f1_noise": 0.2}
    private(db)
    assert [hint for _, _, hint in db.messages] == [
        "Give it a larger epsilon or more rows: so much noise hides what so few have in common."
    ] * is_told


def test_a_contrastive_head_reads_with_the_encoder_beside_it(db: FakeConnection, trainer: Trainer) -> None:
    fit(db, method="contrastive")
    own = json.loads(db.asked("INSERT INTO llm.model (name")[0].values[8])
    assert (own["task"], own["source"], own["digest"]) == ("embedding", f"database:{'d' * 64}", "d" * 64)
    assert trainer.rows == ROWS


def test_a_relations_model_keeps_its_recogniser(db: FakeConnection, trainer: Trainer) -> None:
    relation = {"subject_type": "PER", "object_type": "PER", "predicate": "knows"}
    marked = relation | {"subject_start": 1, "subject_end": 2, "object_start": 3, "object_end": 4}
    table(db, QUERY, [("a b", [marked])] * 5)
    fit(db, "relations", options={"entities_model": "lac"})
    (model,) = db.asked("INSERT INTO llm.model (name")
    assert (model.values[1], json.loads(model.values[5])) == ("relations", {"entities_model": "lac"})


def test_a_failed_training_leaves_nothing(db: FakeConnection, trainer: Trainer) -> None:
    trainer.failure = InvalidInput("no")
    with pytest.raises(InvalidInput, match="no"):
        fit(db)
    assert not db.asked("INSERT INTO")
    assert (trainer.released, trainer.abandoned) == (0, 1)


def test_rights_names_and_bases_are_checked_before_rows_are_read(
    db: FakeConnection, trainer: Trainer, host: EchoHost
) -> None:
    db.answer("LEFT JOIN llm.model AS m", [registered("remote", source="https://host/v1#m")])
    with pytest.raises(InvalidInput, match='"remote" cannot be fine-tuned'):
        fit(db, method="finetune")
    with pytest.raises(InvalidInput, match="not a model name"):
        face.llm_fit.__wrapped__(db, "a name", "classify", QUERY, None, None, {})
    db.answer("SELECT FROM llm.model WHERE name = $1", [{}])
    with pytest.raises(DuplicateModel):
        fit(db)
    db.answer("has_table_privilege('llm.model'", [{"allowed": False}])
    with pytest.raises(InsufficientPrivilege, match="permission denied to train a model"):
        fit(db)
    assert not db.asked("AS q")
    assert (trainer.jobs, host.requests) == ([], [])


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        ("classify", [("a", "x"), ("b", "x")], 'all 2 rows have the label "x"'),
        ("classify", [("a", "x"), ("b", "x"), ("c", "y")], 'one row with the label "y"'),
        ("tag", [("a", [])] * 6, "none of the 6 rows has any label"),
        ("tag", [("a", ["x"])] * 4, "4 rows are too few"),
        ("tag", [("a", ["x"])] * 6, 'the label "x" is on every row'),
        ("entities", [("a", [])] * 6, "none of the 6 rows has any entity"),
        ("relations", [("a", [[None, ["P", 0, 1], ["P", 0, 1]]])] * 6, "none of the 6 rows has any relation"),
    ],
)
def test_rows_that_teach_nothing(task: str, rows: Sequence[Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        jobs.check(rows, task)


def test_rows_that_teach_something() -> None:
    jobs.check(ROWS, "classify")
    jobs.check([("a", ["x"])] * 5 + [("b", [])], "tag")
    jobs.check([("a", [["P", 0, 1]])] * 5, "entities")


def test_the_digest_of_rows_does_not_depend_on_their_order() -> None:
    assert jobs._rows_digest(ROWS) == jobs._rows_digest(ROWS[::-1])
    assert jobs._rows_digest(ROWS) != jobs._rows_digest(ROWS[:3])


def test_self_training_adds_rows_without_labels(db: FakeConnection, trainer: Trainer) -> None:
    table(db, "SELECT more FROM pool", [("neither",), (None,)])
    found = face.llm_self_train.__wrapped__(db, "moods", QUERY, "SELECT more FROM pool", None, {"rounds": 2})
    assert found["method"] == "self_train"
    assert trainer.rows == embedded([*ROWS, ("neither", None)])
    assert trainer.jobs[0]["options"] == {"validation": 0.2, "threshold": 0.9, "rounds": 2, "seed": 0}
    db.answer("FROM (SELECT more FROM pool")
    with pytest.raises(InvalidInput, match="the unlabelled query yields no texts"):
        face.llm_self_train.__wrapped__(db, "moods", QUERY, "SELECT more FROM pool", None, {})


@pytest.fixture
def notes(db: FakeConnection) -> Iterator[str]:
    table(db, "SELECT id, body, mood FROM note", [(str(n), *row) for n, row in enumerate(ROWS)])
    return "SELECT id, body, mood FROM note"


def test_suspects_come_with_key_text_and_both_labels(db: FakeConnection, trainer: Trainer, notes: str) -> None:
    trainer.result = {"suspects": [{"position": 2, "suggested": "praise", "quality": 0.1}]}
    assert face.llm_suspect_labels.__wrapped__(db, notes, None) == [
        {"key": "2", "input": "bad", "label": "complaint", "suggested": "praise", "quality": 0.1}
    ]
    assert trainer.jobs[0]["method"] == "suspects"
    assert trainer.rows == embedded(ROWS)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("1", "a", 5)], "row 1 of the query lacks a text or a label"),
        ([("1", None, "x")], "row 1 of the query lacks"),
        ([], "the query yields no rows"),
    ],
)
def test_suspects_need_texts_and_labels(db: FakeConnection, trainer: Trainer, rows: Any, message: str) -> None:
    table(db, "SELECT id FROM odd", rows)
    db.describe_as("SELECT id FROM odd", [("a", 25)] * 3)
    with pytest.raises(InvalidInput, match=message):
        face.llm_suspect_labels.__wrapped__(db, "SELECT id FROM odd", None)
    assert trainer.jobs == []
