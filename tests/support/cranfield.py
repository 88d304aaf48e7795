"""The Cranfield collection: its queries, which documents answer them, and how well a ranking does."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import psycopg
from database import DATA

_FOLDER = DATA / "cranfield"
# Abstracts that make one long document.
_JOINED = 10


def load_cranfield(host: str, port: int, user: str, dbname: str, password: str | None, **_: Any) -> None:
    """The 1400 abstracts as the table `document`, indexed."""
    with psycopg.connect(host=host, port=port, user=user, dbname=dbname, autocommit=True) as connection:
        connection.execute("CREATE TABLE document (id int PRIMARY KEY, title text, author text, body text)")
        with connection.cursor() as cursor, cursor.copy("COPY document FROM STDIN") as copy:
            for row in _rows("documents"):
                copy.write_row((int(row["id"]), row["title"], row["author"], row["text"]))
        connection.execute("CALL semantic_index('document', '{title,body}')")


def documents() -> list[tuple[int, str]]:
    """The 1400 abstracts: number, title and text."""
    return [(int(row["id"]), f"{row['title']} {row['text']}") for row in _rows("documents")]


def queries() -> list[tuple[str, set[int]]]:
    """The 225 queries with the documents that answer them: those judged above 0, the queries counted from 1."""
    relevant: dict[int, set[int]] = defaultdict(set)
    for row in _rows("judgements"):
        if int(row["grade"]) > 0:
            relevant[int(row["query_id"])].add(int(row["document_id"]))
    return [(row["text"], relevant[number]) for number, row in enumerate(_rows("queries"), 1)]


def long_documents(db: psycopg.Connection, mode: str = "hybrid") -> tuple[float, float]:
    """Recall@10 of relevant abstracts, as passages of long documents of ten each, and as documents of their own.

    A passage counts for the abstract that most of it lies in. The single abstracts are the table `document`.
    """
    abstracts = db.execute("SELECT id, concat_ws(E'\\n', title, body) FROM document ORDER BY id").fetchall()
    db.execute("CREATE TABLE volume (id int PRIMARY KEY, body text)")
    places: dict[int, list[tuple[int, int]]] = {}
    for volume, start in enumerate(range(0, len(abstracts), _JOINED)):
        body, places[volume] = "", []
        for number, text in abstracts[start : start + _JOINED]:
            places[volume].append((len(body) + 1, number))
            body += text + "\n\n"
        db.execute("INSERT INTO volume VALUES (%s, %s)", (volume, body))
    db.execute("CALL semantic_index('volume', '{body}')")
    passages = """
        SELECT (s.key ->> 'id')::int, (s.start_pos + s.end_pos) / 2
        FROM semantic_search(%s, 'volume', 10, %s, group_by => 'chunk') AS s
    """
    whole = "SELECT (s.key ->> 'id')::int FROM semantic_search(%s, 'document', 10, %s) AS s"
    joined, single = [], []
    for query, relevant in queries():
        middles = db.execute(passages, (query, mode)).fetchall()
        found = {max(place for place in places[volume] if place[0] <= middle)[1] for volume, middle in middles}
        joined.append(len(found & relevant) / min(10, len(relevant)))
        found = {number for (number,) in db.execute(whole, (query, mode))}
        single.append(len(found & relevant) / min(10, len(relevant)))
    return sum(joined) / len(joined), sum(single) / len(single)


def ndcg(found: Sequence[int], relevant: set[int]) -> float:
    """nDCG@10 with binary relevance (Järvelin and Kekäläinen 2002) of the documents found, best first."""
    gain = sum(1 / math.log2(rank + 2) for rank, document in enumerate(found[:10]) if document in relevant)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
