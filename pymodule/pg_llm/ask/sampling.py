"""Sequential sampling: a model writes one query after the other, until no further one could change what is answered.

Most votes are decided before all are cast: with two of three that agree the third is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pg_llm.ask import correction, execution, prompt
from pg_llm.ask.candidates import Candidate
from pg_llm.ask.context import Context, Scope
from pg_llm.ask.writer import Writer
from pg_llm.database.connection import Connection

# How often a model is told that a query of a question fails, or finds nothing.
_MOST_CORRECTIONS = 2


@dataclass(slots=True)
class Samples:
    """What a model wrote, equal queries once; `left` is how many samples it was not asked for yet.

    It may still be told of so many problems; places of those that it cannot solve are `stuck`.
    """

    left: int
    candidates: list[Candidate] = field(default_factory=list)
    corrections: int = _MOST_CORRECTIONS
    stuck: set[int] = field(default_factory=set)

    @property
    def correctable(self) -> list[int]:
        """The places of queries to be corrected."""
        return [n for n, one in enumerate(self.candidates) if n not in self.stuck and correction.problem(one)]

    @property
    def open_votes(self) -> int:
        """Votes that may still be given to any result: of samples that are left, and of corrections."""
        votes = sorted((self.candidates[place].votes for place in self.correctable), reverse=True)
        return self.left + sum(votes[: self.corrections])


def draw(
    db: Connection,
    context: Context,
    scope: Scope,
    writer: Writer,
    samples: Samples,
    is_decided: Callable[[], bool],
) -> None:
    """Fill the samples until it is decided what is answered: first with queries, then with corrections of those."""
    conversation = [{"role": "user", "content": prompt.build_prompt(context)}]
    places: dict[str, int] = {}
    while samples.left and context.schema.tables and not is_decided():
        sql = writer.write(conversation, writer.samples - samples.left)
        samples.left -= 1
        if sql in places:
            samples.candidates[places[sql]].votes += 1
        elif sql is not None:
            places[sql] = len(samples.candidates)
            candidate = Candidate(sql, "model", votes=1, conversation=conversation)
            execution.run(db, [candidate], scope)
            samples.candidates.append(correction.repaired(db, candidate, scope, context.schema))
    corrected: list[int] = []
    while samples.corrections and samples.correctable and not is_decided():
        place = min(samples.correctable, key=corrected.count)
        corrected.append(place)
        samples.corrections -= 1
        after = correction.correct(db, samples.candidates[place], scope, writer, context.schema)
        if after is None or (after.failure and after.failure == samples.candidates[place].failure):
            samples.stuck.add(place)
        samples.candidates[place] = after or samples.candidates[place]
