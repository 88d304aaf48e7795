from __future__ import annotations

import pytest
from pg_llm.search.host import roles


@pytest.mark.parametrize(
    ("question", "verb", "right", "reversed_"),
    [
        ("Who sued Orlen?", "sued", "In 1990 Bexter sued Orlen.", "Orlen sued Bexter."),
        ("Which company sued the Orlen Group?", "sued", "Bexter sued the Orlen Group.", "The Orlen Group sued it."),
        ("Who did Orlen sue?", "sued", "Bexter was later sued by Orlen.", "Orlen was sued by Bexter."),
        ("When did the mayor Orlen sue Bexter?", "sued", "Orlen sued Bexter in 1990.", "Bexter sued Orlen in 1990."),
        ("Who was Orlen sued by?", "sued", "Orlen was sued by Bexter.", "Bexter was sued by Orlen."),
        ("By whom was Orlen sued?", "sued", "Bexter sued Orlen.", "Orlen sued Bexter."),
        ("Who was sued by Orlen?", "sued", "Orlen, the elder, sued Bexter.", "Bexter sued a cousin, Orlen."),
        (
            "When did the Orlen Club sue the Bexter Club?",
            "sued",
            "Orlen Club sued Bexter Club.",
            "Bexter Club sued Orlen Club.",
        ),
        (
            "What did the cook teach Mira Lang?",
            "taught",
            "The cook taught her to fish.",
            "Mira Lang taught the cook to fish.",
        ),
        (
            "What did the town of Orlen sell?",
            "sold",
            "The town of Orlen sold a fire engine.",
            "Bexter sold it to a town.",
        ),
        (
            "Which engineer did the teacher of Mira Lang hire?",
            "hired",
            "Her teacher hired Bexter.",
            "Bexter hired her teacher.",
        ),
        ("Who did Orlen sue?", "sued", "In 1990 it sued Bexter.", "In 1990 it was sued by Bexter."),
    ],
)
def test_the_other_way_round_is_no_answer(question: str, verb: str, right: str, reversed_: str) -> None:
    asked = roles.read(question)
    assert asked is not None
    assert not roles.contradicts(asked, right, {verb})
    assert roles.contradicts(asked, reversed_, {verb})


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "The case was heard in 1990.",
        "Bexter, who sued Orlen, sued nobody else.",
        "Orlen was there; Bexter sued.",
        "Orlen sued Bexter, and Bexter sued Orlen.",
        "Bexter had Orlen in court.",
        "The mayor of Orlen sued Bexter.",
        "He sued, and she was not there.",
    ],
)
def test_nothing_is_said_where_the_form_is_another(sentence: str) -> None:
    asked = roles.read("Who sued Orlen?")
    assert asked is not None
    assert not roles.contradicts(asked, sentence, {"sued"})


@pytest.mark.parametrize(
    "question", ["", "?", "Who?", "Orlen sued whom", "Who is the mayor of Orlen?", "谁起诉了奥伦？", "Did it"]
)
def test_questions_of_another_form_tell_no_parts(question: str) -> None:
    assert roles.read(question) is None
