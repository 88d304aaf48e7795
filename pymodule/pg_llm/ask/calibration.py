"""Calibration of a model on taught questions: how often its queries are right, by how many samples agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pg_llm import settings
from pg_llm.ask import context, correction, execution, sampling, voting
from pg_llm.ask.candidates import Candidate
from pg_llm.ask.reliability import Reliability
from pg_llm.ask.sampling import Samples
from pg_llm.ask.writer import Writer
from pg_llm.database import models, progress, sandbox, search_path
from pg_llm.database.connection import Connection
from pg_llm.database.models import Model
from pg_llm.errors import InvalidInput

# Fewer questions say next to nothing.
_LEAST_TAUGHT = 5
_MOST_SAMPLES = 20
_MOST_ROWS = 100


def find_writer(db: Connection, name: str | None) -> Writer | None:
    """The named model, or that of llm.generation_model where somebody set it to another than the small default one."""
    model = models.find_chosen(db, name, "generation")
    return _writer(db, model) if model else None


def _writer(db: Connection, model: Model) -> Writer:
    samples = settings.count("llm.ask_samples", db.setting("llm.ask_samples"))
    if not 1 <= samples <= _MOST_SAMPLES:
        raise InvalidInput(f"llm.ask_samples must lie between 1 and {_MOST_SAMPLES}", hint="3 is a good number.")
    rows = db.rows(
        'SELECT agreeing, asked, "right" FROM llm.ask_calibration WHERE model = $1 AND source = $2 AND samples = $3',
        ("text", "text", "int"),
        (model.name, _identity(model), samples),
    )
    return Writer(model, samples, Reliability({row["agreeing"]: (row["asked"], row["right"]) for row in rows}))


def _identity(model: Model) -> str:
    """What a registered name stands for, so that another model of the same name is measured anew."""
    return str(model.wire["digest"] or model.wire["source"])


def calibrate(db: Connection, name: str | None) -> list[dict[str, Any]]:
    """Ask the model the caller's taught questions, each without its own example, and store how often it is right.

    One row for each number of agreeing samples. Raises InvalidInput where too few questions are taught.
    """
    path = sandbox.search_path(db)
    with search_path.pinned(db), progress.reporting(db, "llm_calibrate_ask", "", "") as report:
        writer = replace(_writer(db, models.find(db, name, "generation")), reliability=Reliability())
        taught = db.rows("SELECT question, sql FROM llm.taught ORDER BY question")
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for number, row in enumerate(taught if len(taught) >= _LEAST_TAUGHT else ()):
            report("asking", number, len(taught))
            tried = _ask_without_example(db, row["question"], row["sql"], path, writer)
            if tried is not None:
                agreeing, right = tried
                counts[agreeing][0] += 1
                counts[agreeing][1] += right
        if sum(asked for asked, _ in counts.values()) < _LEAST_TAUGHT:
            raise InvalidInput(
                f"at least {_LEAST_TAUGHT} taught questions whose SQL can be run are needed",
                hint="SELECT llm_teach('question', 'SELECT …') for some that are like those to come.",
            )
        _store(db, writer, counts)
        measured = Reliability({agreeing: (asked, right) for agreeing, (asked, right) in counts.items()})
    return [
        {
            "agreeing": agreeing,
            "asked": asked,
            "right": right,
            "confidence": measured.confidence(agreeing, writer.samples),
        }
        for agreeing, (asked, right) in sorted(counts.items(), reverse=True)
    ]


def _ask_without_example(
    db: Connection, question: str, sql: str, path: Sequence[str], writer: Writer
) -> tuple[int, bool] | None:
    """How many samples agree on the commonest result, and whether it is that of the taught SQL; None if that fails."""
    gathered, scope = context.gather(db, question, None, path, sample_row_count(db))
    others = [example for example in gathered.examples if example.question.lower() != question.lower()]
    gathered = replace(gathered, examples=others)
    expected = Candidate(sql, "taught")
    execution.run(db, [expected], scope)
    if expected.result is None:
        return None
    samples = Samples(writer.samples)
    sampling.draw(db, gathered, scope, writer, samples, lambda: not samples.left and _is_outvoted(samples, writer))
    groups = voting.group_results(samples.candidates, gathered.linked, gathered.schema, writer)
    if not groups:
        return 0, False
    chosen = max(groups, key=lambda group: group.votes)
    return chosen.votes, chosen.best.fingerprint() == expected.fingerprint()


def _is_outvoted(samples: Samples, writer: Writer) -> bool:
    """True if most samples agree on a result, so that no correction of the others counts."""
    votes: Counter[str | None] = Counter()
    for one in samples.candidates:
        votes[one.fingerprint()] += 0 if correction.problem(one) or one.repaired else one.votes
    return 2 * max(votes.values(), default=0) > writer.samples


def sample_row_count(db: Connection) -> int:
    """How many rows of each table a model sees."""
    count = settings.count("llm.ask_sample_rows", db.setting("llm.ask_sample_rows"))
    if count > _MOST_ROWS:
        raise InvalidInput(f"llm.ask_sample_rows must be at most {_MOST_ROWS}", hint="3 show what a table holds.")
    return count


def _store(db: Connection, writer: Writer, counts: dict[int, list[int]]) -> None:
    key = (writer.model.name, writer.samples)
    db.rows("DELETE FROM llm.ask_calibration WHERE model = $1 AND samples = $2", ("text", "int"), key)
    db.rows(
        'INSERT INTO llm.ask_calibration (model, source, samples, agreeing, asked, "right")'
        " SELECT $1, $2, $3, c.agreeing, c.asked, c.good"
        " FROM unnest($4::int[], $5::int[], $6::int[]) AS c (agreeing, asked, good)"
        " ON CONFLICT (usename, model, samples, agreeing) DO UPDATE"
        ' SET source = excluded.source, asked = excluded.asked, "right" = excluded."right"',
        ("text", "text", "int", "int[]", "int[]", "int[]"),
        (
            writer.model.name,
            _identity(writer.model),
            writer.samples,
            list(counts),
            [asked for asked, _ in counts.values()],
            [right for _, right in counts.values()],
        ),
    )
