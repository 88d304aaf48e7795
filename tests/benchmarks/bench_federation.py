"""A head that three clusters learn together, beside the one of all rows in one place, on rows that neither has seen.

Descriptions of Debian's packages and their sections; every fifth is put away. The rows are spread over the peers
evenly, or so that the shares of a section are drawn from Dirichlet(0.5): some peers lack some sections.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import psycopg
from database import install, value
from workbench.bench import compared, shown
from workbench.cluster import TEST_SETTINGS, Cluster
from workbench.documents import documents

COMMAND = "./run bench federation"
POOLED = "llm_fit on all rows in one place"
PASSWORD = "between-boards"
PEERS = ("north", "south", "east")
# A section needs two rows, one to learn from and one to measure on.
OF_TWO = "SELECT * FROM part WHERE section IN (SELECT section FROM part GROUP BY section HAVING count(*) > 1)"
Row = tuple[str, str]


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """Micro and macro F1 of each way to learn."""
    with ExitStack() as stack:
        clusters = [stack.enter_context(Cluster(settings=TEST_SETTINGS)) for _ in PEERS]
        for each in clusters:
            each.sql("CREATE DATABASE bench")
            each.sql(f"CREATE ROLE board LOGIN PASSWORD '{PASSWORD}'")
            install(each.host, each.port, "postgres", "bench", None)
        peers = [stack.enter_context(psycopg.connect(each.dsn("bench"), autocommit=True)) for each in clusters]
        for name, each in zip(PEERS, clusters, strict=True):
            place = f"host '127.0.0.1', port '{each.port}', dbname 'bench'"
            peers[0].execute("CREATE EXTENSION IF NOT EXISTS dblink")
            peers[0].execute(f"CREATE SERVER {name} FOREIGN DATA WRAPPER dblink_fdw OPTIONS ({place})")
            login = f"user 'board', password '{PASSWORD}'"
            peers[0].execute(f"CREATE USER MAPPING FOR PUBLIC SERVER {name} OPTIONS ({login})")
        made = [(f"{document.summary}\n{document.description}", document.section) for document in documents()]
        np.random.default_rng(1).shuffle(made)
        return shown(_measured(peers, made))


def _measured(peers: Sequence[psycopg.Connection], made: Sequence[Row]) -> Iterator[dict[str, Any]]:
    board = peers[0]
    away, learnt = made[::5], [row for number, row in enumerate(made) if number % 5]
    _load(board, "away", away)
    _load(board, "pooled", learnt)
    board.execute("SELECT llm_fit('pooled', 'classify', 'TABLE pooled')")
    pooled = _scores(board, "pooled")
    labels = sorted({label for _, label in made})
    names = (f"run {number}" for number in itertools.count())
    for spread, shares in (("even", None), ("skewed", 0.5)):
        for peer, part in zip(peers, _spread(learnt, shares), strict=True):
            _load(peer, "part", part)
        alone = []
        for peer in peers:
            if shares is None:
                peer.execute("SELECT llm_fit('alone', 'classify', %s)", (OF_TWO,))
                _load(peer, "away", away)
                alone.append(_scores(peer, "alone"))
        if alone:
            yield from _compared("one peer alone, mean of three", np.mean(alone, axis=0), pooled)
        for what, rounds, method, options in (
            (f"{spread} rows", 30, "mean", {"validation": 0}),
            (f"{spread} rows, a fifth kept back", 30, "mean", {}),
            (f"{spread} rows, median", 40, "median", {"validation": 0}),
            (f"{spread} rows, epsilon 8", 20, "mean", {"epsilon": 8}),
            (f"{spread} rows, epsilon 3", 20, "mean", {"epsilon": 3}),
        ):
            name = next(names).replace(" ", "-")
            for peer in peers:
                agree = "SELECT llm_allow_federation(%s, 'board', 'TABLE part', %s, rounds => %s, options => %s)"
                peer.execute(agree, (name, labels, rounds, json.dumps(options)))
            federate = "SELECT llm_federate(%s, %s, rounds => %s, method => %s)"
            board.execute(federate, (name, list(PEERS), rounds, method))
            yield from _compared(what, _scores(board, name), pooled)


def _spread(learnt: Sequence[Row], shares: float | None) -> list[list[Row]]:
    chance = np.random.default_rng(0)
    parts: list[list[Row]] = [[] for _ in PEERS]
    if shares is None:
        for number, row in enumerate(learnt):
            parts[number % len(PEERS)].append(row)
        return parts
    for label in sorted({label for _, label in learnt}):
        of_label = [row for row in learnt if row[1] == label]
        cuts = (np.cumsum(chance.dirichlet([shares] * len(PEERS)))[:-1] * len(of_label)).astype(int)
        for part, some in zip(parts, np.split(np.arange(len(of_label)), cuts), strict=True):
            part += [of_label[number] for number in some]
    return parts


def _load(db: psycopg.Connection, table: str, made: Sequence[Row]) -> None:
    db.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (text text, section text)")
    with db.cursor().copy(f"COPY {table} FROM STDIN") as copied:
        for row in made:
            copied.write_row(row)


def _scores(db: psycopg.Connection, model: str) -> tuple[float, float]:
    """Micro and macro F1 on the rows put away."""
    query = "SELECT array_agg(f1 ORDER BY label DESC) FROM llm_evaluate(%s, 'TABLE away') WHERE label = ANY (%s)"
    micro, macro = value(db, query, model, ["micro avg", "macro avg"])
    return micro, macro


def _compared(what: str, found: Sequence[float], pooled: Sequence[float]) -> Iterator[dict[str, Any]]:
    for measure, ours, theirs in zip(("micro F1", "macro F1"), found, pooled, strict=True):
        yield compared(COMMAND, f"package sections, {what}", POOLED, theirs, float(ours), measure, True, 3)
