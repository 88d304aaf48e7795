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


def ndcg(found: Sequence[int], relevant: set[int]) -> float:
    """nDCG@10 with binary relevance (Järvelin and Kekäläinen 2002) of the documents found, best first."""
    gain = sum(1 / math.log2(rank + 2) for rank, document in enumerate(found[:10]) if document in relevant)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
