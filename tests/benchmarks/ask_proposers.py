"""Proposers of answers, each alone and together: the grammar, and models behind an endpoint on loopback.

A perfect model always writes the first SQL that is right. A constant one writes the right SQL of the first question
about the database, whatever is asked; a distracted one that of the next question. Nobody has calibrated them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence

import psycopg
from faulty_endpoint import FaultyEndpoint, Reply, Request, chat
from nl2sql import Question, expanded
from pg_llm.ask import calibration, context, voting
from pg_llm.ask.candidates import Proposal
from pg_llm.database import sandbox, search_path
from pg_llm.database.psycopg_connection import PsycopgConnection

# The SQL, whether it was answered, and the confidence in it.
Answer = tuple[str | None, bool, float | None]
Proposer = Callable[[psycopg.Connection, Question], Answer]

GRAMMAR = "grammar alone"
PERFECT, PERFECT_ALONE = "grammar and a perfect model", "a perfect model alone"
CONSTANT, DISTRACTED = "grammar and a constant model", "grammar and a distracted model"
_THRESHOLD = 0.6


@contextlib.contextmanager
def running(databases: dict[str, psycopg.Connection], asked: Sequence[Question]) -> Iterator[dict[str, Proposer]]:
    """The proposers by their names; MODELS=0 leaves all but the grammar out."""
    ways = {GRAMMAR: ask(None)}
    if os.environ.get("MODELS") == "0":
        yield ways
        return
    writes = {
        "perfect": _gold(asked, 0, False),
        "constant": _gold(asked, 0, True),
        "distracted": _gold(asked, 1, False),
    }
    with contextlib.ExitStack() as endpoints:
        for name, gold in writes.items():
            endpoint = endpoints.enter_context(FaultyEndpoint().running())
            endpoint.behaviour = lambda request, gold=gold: Reply(chat(gold[_question(request)]))  # type: ignore[misc]
            for db in databases.values():
                db.execute("SELECT llm_register_model(%s, 'generation', %s)", (name, endpoint.source()))
        yield {
            **ways,
            PERFECT_ALONE: alone("perfect"),
            PERFECT: ask("perfect"),
            CONSTANT: ask("constant"),
            DISTRACTED: ask("distracted"),
        }


def _question(request: Request) -> str:
    return re.findall(r"that answers: (.*)", str(request.body["messages"][0]["content"]))[-1].strip()


def _gold(asked: Sequence[Question], step: int, first: bool) -> dict[str, str]:
    """What is written for each question: the first SQL that is right for it, for the next, or for the first one."""
    gold = {}
    for question in asked:
        others = [each for each in asked if each.database == question.database]
        place = 0 if first else (others.index(question) + step) % len(others)
        gold[question.text.strip()] = next(expanded(others[place].gold))
    return gold


def ask(model: str | None) -> Proposer:
    """The grammar with a model, or without one."""

    def answer(db: psycopg.Connection, question: Question) -> Answer:
        query = "SELECT sql, answer IS NOT NULL, confidence FROM ask(%s, model => %s)"
        return db.execute(query, (question.text, model)).fetchone() or (None, False, None)

    return answer


def alone(model: str) -> Proposer:
    """A model without the grammar, in this process."""
    connections: dict[str, psycopg.Connection] = {}

    def answer(db: psycopg.Connection, question: Question) -> Answer:
        if db.info.dbname not in connections:
            connections[db.info.dbname] = psycopg.connect(db.info.dsn)
            connections[db.info.dbname].execute("SET llm.engine = 'backend'")
        own = PsycopgConnection(connections[db.info.dbname], trusted=True)
        path = sandbox.search_path(own)
        with search_path.pinned(own):
            writer = calibration.find_writer(own, model)
            assert writer is not None
            gathered, scope = context.gather(own, question.text, None, path, 3)
            proposal = Proposal([], gathered.linked)
            outcome = voting.settle(own, gathered, scope, proposal, writer, _THRESHOLD)
        return outcome.sql, outcome.result is not None and outcome.confidence >= _THRESHOLD, outcome.confidence

    return answer
