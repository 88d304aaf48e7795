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
