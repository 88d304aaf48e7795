from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors

FACTS = "SELECT subject, subject_type, predicate, object, object_type FROM graph_extract(%s, %s, %s, %s)"
MEDICAL = {
    "treats": {"subject": "Drug", "object": "Disease", "words": ["treat", "is given for"]},
    "causes": {"subject": ["Disease", "Drug"], "object": "Symptom", "words": ["cause", "lead to"]},
    "diagnosis": {"subject": "Patient", "object": "Disease", "words": ["diagnosed with", "suffers from"]},
    "takes": {"subject": "Patient", "object": "Drug", "words": ["take", "receive"]},
}


def facts(
    db: psycopg.Connection, text: str | None, types: Any = None, relations: Any = None, model: str | None = None
) -> set[tuple[str, ...]]:
    asked = None if relations is None else json.dumps(relations)
    return set(db.execute(FACTS, (text, types, asked, model)).fetchall())


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_what_names_have_to_do_with_each_other(db: psycopg.Connection, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    assert facts(db, "Angela Merkel is the leader of the CDU and visited France.") == {
        ("Angela Merkel", "PERSON", "leader of", "CDU", "ORG"),
        ("Angela Merkel", "PERSON", "visit", "France", "GPE"),
    }


def test_roles_make_entities_that_no_model_knows(db: psycopg.Connection) -> None:
    assert facts(db, "Pneumonia is treated with penicillin and causes fever.", None, MEDICAL) == {
        ("penicillin", "Drug", "treats", "Pneumonia", "Disease"),
        ("Pneumonia", "Disease", "causes", "fever", "Symptom"),
    }


def test_not_what_is_denied(db: psycopg.Connection) -> None:
    assert facts(db, "Amoxicillin does not treat influenza.", None, MEDICAL) == set()


def marked(text: str, *items: tuple[str, str, str | None, str, str]) -> tuple[str, str]:
    """A row to learn from: subject, its type, predicate, object, its type."""
    found = []
    for subject, kind, predicate, object, other in items:
        ends = {"subject": (subject, kind), "object": (object, other)}
        item: dict[str, Any] = {"predicate": predicate}
        for role, (name, its) in ends.items():
            start = text.index(name) + 1
            item |= {f"{role}_start": start, f"{role}_end": start + len(name), f"{role}_type": its}
        found.append(item)
    return text, json.dumps(found)


PEOPLE = ["Ann Lee", "Bob Ray", "Carl Fox", "Dora Kim", "Emil Orr", "Fay Day", "Gus Bell", "Hal Moss"]
FIRMS = ["Acme", "Bolt", "Cargo", "Delta", "Eon", "Flux", "Gamma", "Halo"]


@pytest.fixture
def related(db: psycopg.Connection) -> psycopg.Connection:
    """A database with the table `deed`: sentences about who runs and who left which company."""
    db.execute("CREATE TABLE deed (text text, relations jsonb)")
    for person, firm in zip(PEOPLE, FIRMS, strict=True):
        for other in FIRMS[:3]:
            rows = [
                marked(f"{person} runs {firm}, as {other} knows.", (person, "PERSON", "head", firm, "ORG")),
                marked(f"{person} resigned from {firm} in May.", (person, "PERSON", "former", firm, "ORG")),
                marked(f"{person} never saw {firm}.", (person, "PERSON", None, firm, "ORG")),
            ]
            for row in rows:
                db.execute("INSERT INTO deed VALUES (%s, %s)", row)
    return db


@pytest.mark.parametrize("method", ["head", "finetune"])
def test_a_model_learns_relations(related: psycopg.Connection, method: str) -> None:
    options = json.dumps({"epochs": 4, "learning_rate": 0.0005} if method == "finetune" else {})
    query = "SELECT text, relations FROM deed"
    measured = value(related, "SELECT llm_fit('deeds', 'relations', %s, NULL, %s, %s)", query, method, options)
    assert measured["micro_f1"] > 0.9
    assert value(related, "SELECT labels FROM llm_models WHERE name = 'deeds'") == ["former", "head", "none"]
    assert facts(related, "Angela Merkel resigned from Siemens in May.", model="deeds") == {
        ("Angela Merkel", "PERSON", "former", "Siemens", "ORG")
    }
    assert facts(related, "Angela Merkel resigned from Siemens in May.", None, ["head"], "deeds") == set()
    scores = related.execute("SELECT label, f1 FROM llm_evaluate('deeds', %s)", (query,)).fetchall()
    assert dict(scores)["micro avg"] > 0.9
    assert "none" not in dict(scores)
