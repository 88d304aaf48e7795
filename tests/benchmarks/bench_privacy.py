"""Personal data found in made sentences of six languages, beside Presidio; false alarms on others; rows a second.

The templates of the sentences are cut in two: nobody looked at what is found in the part `test`, whose figures these
are. What the finders know was chosen on `dev` (PART=dev), with Presidio's threshold.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
from cranfield import documents
from database import install
from personal import Sentence, secrets, sentences
from politics import sentences as politics
from presidio_peer import KINDS, Presidio, spacy_model
from workbench.bench import compared, shown
from workbench.cluster import Cluster

COMMAND = "./run bench privacy"
PEER = "Presidio"
COUNT, SPEED, BATCH = 3080, 1000, 500
# The best of 0.3, 0.4, 0.5 and 0.6 on `dev`.
THRESHOLD = 0.4
# Kinds that it may stand for, start, end, and whether it does no harm where nothing was.
Found = tuple[tuple[str, ...], int, int, bool]
Counts = dict[str, Counter[str]]


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    """F2 over all, F1 of each kind, false alarms in 1,000 words, and rows a second."""
    cluster.sql("CREATE DATABASE bench_privacy")
    where = {"host": cluster.host, "port": cluster.port, "user": "postgres", "password": None}
    install(**where, dbname="bench_privacy")
    part = os.environ.get("PART", "test")
    presidio = Presidio(spacy_model(), float(os.environ.get("THRESHOLD", THRESHOLD)))
    with psycopg.connect(cluster.dsn("bench_privacy"), autocommit=True) as db:
        return shown(itertools.chain(_quality(db, presidio, part), _secrets(db, presidio, part), _alarms(db, presidio)))


def _quality(db: psycopg.Connection, presidio: Presidio, part: str) -> Iterator[dict[str, Any]]:
    made = sentences(part, COUNT)
    texts = [each.text for each in made]
    # The model is loaded beforehand, and no text is known.
    _find(db, ["Ann Smith lives here."])
    seconds, found = _timed(lambda: _find(db, texts))
    peer_seconds, of_peer = _timed(lambda: presidio.find([(each.language, each.text) for each in made[:SPEED]]))
    of_peer += presidio.find([(each.language, each.text) for each in made[SPEED:]])
    ours, theirs = _counts(made, found), _counts(made, of_peer)
    yield _row(f"{COUNT} sentences of six languages, all kinds: F2", _f(theirs, 2), _f(ours, 2))
    yield _row("the same: precision", _precision(theirs), _precision(ours))
    yield _row("the same: recall", _recall(theirs), _recall(ours))
    known = sorted({kind for kinds in KINDS.values() for kind in kinds})
    some = [_only(each, known) for each in (theirs, ours)]
    yield _row(f"the same: F2 of the {len(known)} kinds that Presidio knows", *(_f(each, 2) for each in some))
    for language in dict.fromkeys(each.language for each in made):
        chosen = [number for number, each in enumerate(made) if each.language == language]
        of_language = [_counts([made[n] for n in chosen], [all_[n] for n in chosen]) for all_ in (of_peer, found)]
        yield _row(f"sentences in {language}: F2", *(_f(each, 2) for each in of_language))
    for kind in sorted({span[0] for each in made for span in each.spans}):
        what = f"{kind}: precision {_precision(ours, kind):.3f}, recall {_recall(ours, kind):.3f}, F1"
        yield _row(what, _f(theirs, 1, kind), _f(ours, 1, kind))
    yield compared(
        COMMAND, "sentences read in a second", PEER, SPEED / peer_seconds, COUNT / seconds, "rows/s", True, 0
    )


def _secrets(db: psycopg.Connection, presidio: Presidio, part: str) -> Iterator[dict[str, Any]]:
    """Passwords and keys in prose, whichever of the two they are taken for, and sentences that only speak of some."""
    made = secrets(part)
    kinds = ("password", "api_key")
    all_ = [presidio.find([(each.language, each.text) for each in made]), _find(db, [each.text for each in made])]
    counts = [
        _counts(
            [each._replace(spans=[("secret", *span[1:]) for span in each.spans]) for each in made],
            [[(("secret",), *each[1:]) for each in found if set(kinds) & set(each[0])] for found in of_one],
        )
        for of_one in all_
    ]
    count = sum(len(each.spans) for each in made)
    yield _row(f"{count} passwords and keys in prose: recall", *map(_recall, counts))
    yield _row("the same: precision", *map(_precision, counts))


def _alarms(db: psycopg.Connection, presidio: Presidio) -> Iterator[dict[str, Any]]:
    """Texts that tell of nobody private: persons of CrossNER politics and authors are public, and counted apart."""
    sources = {
        "CrossNER politics": [text for text, _ in politics("test")],
        "Cranfield": [text for _, text in documents()][:150],
    }
    for name, texts in sources.items():
        thousands = sum(len(text.split()) for text in texts) / 1000
        found = _find(db, texts)
        of_peer = presidio.find([("en", text) for text in texts])
        for what, chosen in (("persons", True), ("other kinds", False)):
            alarms = [
                sum((each[0] == ("person",)) == chosen and not each[3] for of_text in all_ for each in of_text)
                for all_ in (of_peer, found)
            ]
            label = f"{name}: {what} found in 1,000 words"
            yield compared(COMMAND, label, PEER, *(count / thousands for count in alarms), "found", chosen, 2)


def _find(db: psycopg.Connection, texts: Sequence[str]) -> list[list[Found]]:
    found: list[list[Found]] = [[] for _ in texts]
    query = "SELECT ordinality, kind, start_pos - 1, end_pos - 1 FROM llm_find_personal_batch(%s)"
    for first in range(0, len(texts), BATCH):
        for number, kind, start, end in db.execute(query, (list(texts[first : first + BATCH]),)):
            found[first + number - 1].append(((kind,), start, end, False))
    return found


def _timed(call: Callable[[], list[list[Found]]]) -> tuple[float, list[list[Found]]]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _counts(made: Sequence[Sentence], found: Sequence[Sequence[Found]]) -> Counts:
    """For each kind what was found, missed, and found where nothing was; a half in common is found."""
    counts: Counts = {name: Counter() for name in ("found", "missed", "false")}
    for sentence, of_sentence in zip(made, found, strict=True):
        left = list(of_sentence)
        for kind, start, end in sentence.spans:
            match = any(kind in each[0] and _alike(each, start, end) for each in left)
            counts["found" if match else "missed"][kind] += 1
            if match:
                # What else was said of the same place does no harm.
                left = [each for each in left if each[1] >= end or each[2] <= start]
        for kinds, *_, forgiven in left:
            counts["false"][kinds[0]] += not forgiven
    return counts


def _only(counts: Counts, kinds: Sequence[str]) -> Counts:
    return {name: Counter({kind: of_name[kind] for kind in kinds}) for name, of_name in counts.items()}


def _alike(found: Found, start: int, end: int) -> bool:
    common = min(found[2], end) - max(found[1], start)
    return common > 0 and common / (max(found[2], end) - min(found[1], start)) >= 0.5


def _of(counts: Counts, name: str, kind: str | None) -> int:
    return counts[name][kind] if kind else counts[name].total()


def _precision(counts: Counts, kind: str | None = None) -> float:
    found = _of(counts, "found", kind)
    return found / (found + _of(counts, "false", kind) or 1)


def _recall(counts: Counts, kind: str | None = None) -> float:
    found = _of(counts, "found", kind)
    return found / (found + _of(counts, "missed", kind) or 1)


def _f(counts: Counts, beta: int, kind: str | None = None) -> float:
    precision, recall = _precision(counts, kind), _recall(counts, kind)
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall or 1)


def _row(what: str, peer_value: float, our_value: float) -> dict[str, Any]:
    return compared(COMMAND, what, PEER, peer_value, our_value, "share", True, 3)
