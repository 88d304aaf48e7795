"""No text of a caller comes into a log, a report or an error of ours: a canary goes through every function."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from database import value
from workbench.cluster import Cluster

CANARY = "zyxkanarienvogel"
MAIL = f"{CANARY}@example.org"
# %(t)s is the text; as a parameter, as what stands in a statement PostgreSQL itself logs with an error.
CALLS = [
    "llm_embed(%(t)s)",
    "llm_embed(%(t)s, 'none')",
    "llm_similarity(%(t)s, 'b')",
    "llm_rank(%(t)s, ARRAY[%(t)s, 'b'])",
    "llm_chunk(%(t)s)",
    "llm_chunk(%(t)s, 'none at all')",
    "llm_text(convert_to(%(t)s, 'UTF8'))",
    "llm_text(convert_to('%%PDF-1.7 ' || %(t)s, 'UTF8'))",
    "llm_classify(%(t)s, ARRAY['a', %(t)s])",
    "llm_classify(%(t)s, ARRAY[NULL])",
    "llm_tag(%(t)s, ARRAY['a', 'b'])",
    "llm_entities(%(t)s, 'all-minilm-l6-v2')",
    "llm_clean(%(t)s)",
    "llm_parse_number(%(t)s)",
    "llm_parse_date(%(t)s)",
    "llm_parse_phone(%(t)s)",
    'llm_generate_json(%(t)s, \'{"type": "boolean"}\')',
    "llm_generate_json('a', '{\"type\": \"none\"}')",
    'llm_extract(%(t)s, \'{"properties": {"n": {"type": "null"}}}\')',
    "llm_find_personal(%(t)s)",
    "llm_redact(%(t)s)",
    "llm_redact(%(t)s, method => 'hash', key => 'none')",
    "llm_redact_json(to_jsonb(%(t)s::text))",
    "llm_redact_row(%(t)s::text)",
    "llm_pseudonymize(%(t)s, 'person', 'none')",
    "llm_reveal(%(t)s, 'none')",
    "semantic_search(%(t)s, 'person')",
    "semantic_search(%(t)s, 'person', mode => 'none')",
    "ask(%(t)s, '{person}')",
    "ask_rows(%(t)s, '{person}')",
    "llm_sql(%(t)s, '{person}')",
    "llm_teach(%(t)s, 'SELECT 1 FROM nothing')",
    "llm_where_is('person', '{\"id\": 1}', ARRAY[%(t)s::text])",
    "llm_erase('person', '{\"id\": 1}', ARRAY[%(t)s::text])",
    "dp_count('SELECT * FROM person', 1)",
    "dp_group_count('SELECT name FROM person', 1, 0.01)",
]
# These read with larger models.
LONG_CALLS = [
    "llm_entities(%(t)s)",
    "llm_parse_address(%(t)s)",
    "llm_semantic_type(ARRAY[%(t)s])",
    "llm_generate(%(t)s, max_tokens => 1)",
    "llm_summarize(%(t)s, max_words => 5)",
    "llm_fix_grammar(%(t)s)",
    "graph_extract(%(t)s)",
    "llm_explain(%(t)s, labels => ARRAY['a', 'b'])",
    "semantic_answer(%(t)s, 'person')",
    "llm_scan_personal('person')",
    "llm_find_errors('person')",
    "llm_duplicates('person')",
    "llm_match(%(t)s, 'person', 'name', threshold => 0)",
    "llm_fit('heads', 'classify', 'SELECT name, mail FROM person')",
    "llm_allow_federation('f', 'postgres', 'SELECT name, mail FROM person', '{a,b}')",
    "llm_suspect_labels('SELECT id, name, mail FROM person')",
]
TEXTS = [f"My name is {CANARY}, write to {MAIL}.", f"{CANARY}\ud7ff\x07 \u202e"]
REPORTS = [
    "SELECT * FROM llm_progress",
    "SELECT * FROM llm_usage",
    "SELECT * FROM llm_runs",
    "SELECT * FROM llm_models",
    "SELECT * FROM llm_staleness",
    "SELECT * FROM llm_failed_work",
    "SELECT * FROM llm_status()",
]


@pytest.fixture
def person(db: psycopg.Connection) -> psycopg.Connection:
    db.execute("CREATE TABLE person (id int PRIMARY KEY, name text, mail text)")
    db.execute("INSERT INTO person SELECT n, %s || n, %s FROM generate_series(1, 12) AS n", (CANARY, MAIL))
    db.execute("CALL semantic_index('person', '{name}')")
    return db


def own_lines(log: str) -> list[str]:
    """Lines that hold the canary, but for those in which PostgreSQL repeats a statement."""
    return [line for line in log.splitlines() if CANARY in line.lower() and "STATEMENT:" not in line]


@pytest.mark.parametrize("calls", [CALLS, pytest.param(LONG_CALLS, marks=pytest.mark.slow)], ids=["quick", "long"])
def test_no_text_is_logged_or_reported(cluster: Cluster, person: psycopg.Connection, calls: list[str]) -> None:
    errors = []
    for call in calls:
        for text in TEXTS:
            try:
                person.execute(f"SELECT * FROM {call}", {"t": text}).fetchall()
            except psycopg.Error as error:
                if error.sqlstate in ("42883", "42601"):
                    raise
                told = (error.diag.message_primary, error.diag.message_detail, error.diag.message_hint)
                errors.append((call, json.dumps(told)))
    assert len(errors) > 10 or calls is LONG_CALLS
    # What the caller sent may come back to the caller in part, and to nobody else: the log has the same message.
    assert [each for each in errors if CANARY in each[1].lower()] == []
    assert own_lines(cluster.log) == []
    folder = Path(cluster.data) / "pg_llm"
    logs = [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes().lower()]
    assert [str(path.relative_to(folder)) for path in logs] == []
    for report in REPORTS:
        assert CANARY not in str(person.execute(report).fetchall()).lower(), report
    assert value(person, "SELECT count(*) FROM llm_progress") == 0
