"""Labels and entities: zero-shot, from few and from all rows, beside TF-IDF and logistic regression on the same rows.

Nothing was chosen on the test rows; options are the defaults, but for what OPTIONS says. All takes 40 minutes on two
cores; PART= one of memory, entities, sentiments, multilingual measures that alone.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from database import install
from multilingual import save_multilingual
from politics import sentences
from sentiment import Rows, data_sets
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from workbench.bench import compared, parts, shown
from workbench.cluster import Cluster

COMMAND = "./run bench classification"
PEER = "TF-IDF + logistic regression"
# Two epochs over at most so many rows: what a machine with two cores does in minutes.
OPTIONS = json.dumps({"epochs": 2, "max_tokens": 64})
MOST = 8500
LABELS = ["positive", "negative"]
NAMES = [
    "politician",
    "politicalparty: political party",
    "organisation",
    "election",
    "event",
    "country",
    "location: city or region",
    "person",
    "misc: something else",
]


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Accuracy on test rows for each data set, span F1 for entities, and memory over 50,000 rows."""
    cluster.sql("CREATE DATABASE bench_classification")
    where = {"host": cluster.host, "port": cluster.port, "user": "postgres", "password": None}
    install(**where, dbname="bench_classification")
    with psycopg.connect(cluster.dsn("bench_classification"), autocommit=True) as db:
        there: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
            "memory": lambda: _memory(db, cluster),
            "entities": lambda: _entities(db),
            "sentiments": lambda: _sentiments(db),
            "multilingual": lambda: _multilingual(db),
        }
        return shown(itertools.chain.from_iterable(there[part]() for part in parts(there)))


def _loaded(db: psycopg.Connection) -> dict[str, tuple[Rows, Rows]]:
    """Rows to learn from and to be tested on of each data set, in the table `row` too."""
    found = data_sets()
    db.execute("DROP TABLE IF EXISTS row; CREATE TABLE row (data text, test bool, number int, text text, label text)")
    for data, both in found.items():
        for test, given in zip((False, True), both, strict=True):
            with db.cursor().copy("COPY row FROM STDIN") as copy:
                for number, (text, label) in enumerate(given):
                    copy.write_row((data, test, number, text, label))
    return found


def _sentiments(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    for data, (training, test) in _loaded(db).items():
        yield from _heads(db, data, data, training, test)
        name = f"{data}-finetune".replace(" ", "-")
        started = time.monotonic()
        _fit(db, name, data, MOST, "finetune")
        taken = round(time.monotonic() - started)
        few = min(len(training), 2 * MOST)
        what = f"{data}: finetune, {few} rows, {taken} s"
        yield _row(what, PEER, _tfidf(_some(training, MOST), test), _accuracy(db, name, data))


def _heads(
    db: psycopg.Connection, what: str, data: str, training: Rows, test: Rows, model: str = "all-minilm-l6-v2"
) -> Iterator[dict[str, Any]]:
    """Without any row of one's own, and with some, on the embeddings of a model."""
    majority = max(sum(label == each for _, label in test) for each in LABELS) / len(test)
    yield _row(f"{what}: zero-shot", "most frequent label", majority, _accuracy(db, model, data))
    for count in (8, 64, None):
        chosen = _some(training, count)
        name = f"{what}-{count}".replace(" ", "-").replace(",", "")
        _fit(db, name, data, len(training) if count is None else count, "head", model)
        size = "all" if count is None else f"{count} a label"
        yield _row(f"{what}: head, {size}", PEER, _tfidf(chosen, test), _accuracy(db, name, data))


def _multilingual(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """Chinese with a model that knows the language."""
    data = "Chinese reviews"
    training, test = _loaded(db)[data]
    with tempfile.TemporaryDirectory(prefix="pg_llm-multilingual-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        save_multilingual(Path(folder))
        db.execute("SELECT llm_register_model('e5', 'embedding', %s)", (f"path:{folder}",))
        yield from _heads(db, f"{data}, multilingual-e5-small", data, training, test, "e5")


def _some(training: Rows, count: int | None) -> Rows:
    """The first rows of each label."""
    seen: dict[str, int] = defaultdict(int)
    found = []
    for text, label in training:
        seen[label] += 1
        if count is None or seen[label] <= count:
            found.append((text, label))
    return found


def _fit(db: psycopg.Connection, name: str, data: str, count: int, method: str, base: str | None = None) -> None:
    query = f"""
        SELECT text, label FROM (
            SELECT text, label, row_number() OVER (PARTITION BY label ORDER BY number) AS place
            FROM row WHERE data = '{data}' AND NOT test
        ) AS r WHERE place <= {count}
    """
    options = OPTIONS if method == "finetune" else "{}"
    fit = "SELECT llm_fit(%s, 'classify', %s, base => %s, method => %s, options => %s)"
    db.execute(fit, (name, query, base, method, options))


def _accuracy(db: psycopg.Connection, model: str, data: str) -> float:
    query = f"SELECT text, label FROM row WHERE data = '{data}' AND test"
    return _score(db, model, query, LABELS)


def _score(db: psycopg.Connection, model: str, query: str, labels: list[str] | None) -> float:
    micro = "SELECT f1 FROM llm_evaluate(%s, %s, %s) WHERE label = 'micro avg'"
    found = db.execute(micro, (model, query, labels)).fetchone()
    assert found is not None
    return float(found[0])


def _tfidf(training: Rows, test: Rows) -> float:
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit([text for text, _ in training])
    model = LogisticRegression(C=10, max_iter=2000)
    model.fit(vectors.transform([text for text, _ in training]), [label for _, label in training])
    return float(model.score(vectors.transform([text for text, _ in test]), [label for _, label in test]))


def _entities(db: psycopg.Connection) -> Iterator[dict[str, Any]]:
    db.execute("CREATE TABLE sentence (id serial, part text, text text, entities jsonb)")
    for part in ("train", "test"):
        for text, entities in sentences(part):
            row = part, text, json.dumps(entities)
            db.execute("INSERT INTO sentence (part, text, entities) VALUES (%s, %s, %s)", row)
    test = "SELECT text, entities FROM sentence WHERE part = 'test'"
    default = _score(db, "en-core-web-sm", test, NAMES)
    train = "SELECT text, entities FROM sentence WHERE part = 'train' ORDER BY md5(text) LIMIT %s"
    for method, count in itertools.product(("head", "finetune"), (100, 200)):
        name = f"politics-{method}-{count}"
        db.execute("SELECT llm_fit(%s, 'entities', %s, method => %s)", (name, train % count, method))
        what = f"CrossNER politics: {method}, {count} sentences"
        yield compared(COMMAND, what, "zero-shot", default, _score(db, name, test, None), "span F1", True, 3)


def _memory(db: psycopg.Connection, cluster: Cluster) -> Iterator[dict[str, Any]]:
    """Growth between the 20,000th and the 50,000th row of a table that is tagged by UPDATE, zero-shot and trained.

    The memo, which would fill up to its limit, is turned off: what is left must not grow.
    """
    with (cluster.data / "postgresql.conf").open("a") as settings:
        settings.write("llm.memo_limit = '0'\n")
    db.execute("CREATE TABLE note AS SELECT n, 'row number ' || n AS text FROM generate_series(1, 50000) AS n")
    db.execute("ALTER TABLE note ADD class text, ADD tags text[]")
    odd = "SELECT text, CASE n % 2 WHEN 0 THEN 'a' ELSE 'b' END FROM note WHERE n <= 100"
    db.execute("SELECT llm_fit('odd', 'classify', %s, method => 'head')", (odd,))
    for what, change in (
        ("llm_classify", "class = llm_classify(text, '{a,b}')"),
        ("llm_tag", "tags = llm_tag(text, '{a,b}')"),
        ("llm_classify, a trained head", "class = llm_classify(text, model => 'odd')"),
    ):
        yield from _growth(db, what, f"UPDATE note SET {change} WHERE n BETWEEN %s AND %s")


def _growth(db: psycopg.Connection, what: str, update: str) -> Iterator[dict[str, Any]]:
    db.execute(update, (1, 20_000))
    host = db.execute("SELECT max(host_pid) FROM llm_status()").fetchone()
    assert host is not None
    processes = {"backend": db.info.backend_pid, "model host": host[0]}
    before = {name: _own(process) for name, process in processes.items()}
    db.execute(update, (20_001, 50_000))
    for name, process in processes.items():
        row = f"memory of the {name} after 50,000 rows of {what}"
        yield compared(COMMAND, row, "after 20,000 rows", before[name], _own(process), "MB", False, 1)


def _own(process: int) -> float:
    """MB of memory that is the process's own: shared buffers that it has touched are not."""
    with open(f"/proc/{process}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:")) / 1024


def _row(what: str, peer: str, peer_value: float, value: float) -> dict[str, Any]:
    return compared(COMMAND, what, peer, peer_value, value, "accuracy", True, 3)
