"""Training with privacy through SQL: what is told, kept and refused."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors
from workbench.cluster import Cluster

pytestmark = pytest.mark.torch

TOPIC = "SELECT text, topic FROM sentence"
# Three sentences of each person.
OF_PERSONS = "SELECT text, topic, id / 3 AS person FROM sentence"


def fit(db: psycopg.Connection, name: str, query: str, task: str = "classify", **options: Any) -> dict[str, Any]:
    given = json.dumps({"epsilon": 8, "delta": 1e-5, **options})
    return dict(value(db, "SELECT llm_fit(%s, %s, %s, options => %s)", name, task, query, given))


def test_a_private_head_answers_and_its_run_tells_what_was_spent(politics: psycopg.Connection, role: str) -> None:
    told = fit(politics, "private", TOPIC)
    assert 7.9 < told["epsilon"] <= 8
    assert value(politics, "SELECT llm_classify('The elections of 1998 were won.', model => 'private')") == "election"
    politics.execute(f"SET ROLE {role}")
    run = "SELECT rows, data_hash, (options -> 'epsilon')::float8, (metrics -> 'delta')::float8 FROM llm_runs"
    assert politics.execute(run).fetchone() == (741, "", 8.0, 1e-05)
    politics.execute("RESET ROLE")
    with pytest.raises(errors.InvalidParameterValue, match="was trained with privacy"):
        politics.execute("SELECT llm_calibrate('private', %s)", (TOPIC,))
    # Its noise is new every time.
    fit(politics, "again", TOPIC)
    assert value(politics, "SELECT count(DISTINCT digest) FROM llm_runs") == 2


def test_persons_are_hidden_and_counted(politics: psycopg.Connection) -> None:
    told = fit(politics, "private", OF_PERSONS, unit="person")
    persons = value(politics, f"SELECT count(DISTINCT person) FROM ({OF_PERSONS}) AS q")
    assert told["training_rows"] + told["validation_rows"] == persons
    assert value(politics, "SELECT rows FROM llm_runs") == persons
    assert value(politics, "SELECT options ->> 'unit' FROM llm_runs") == "person"


def test_tags(politics: psycopg.Connection) -> None:
    told = fit(politics, "private", "SELECT text, kinds FROM sentence", "tag")
    assert 0 <= told["micro_f1"] <= 1
    assert value(politics, "SELECT llm_tag_scores('The party won.', model => 'private')").keys() == set(
        value(politics, "SELECT labels FROM llm_models WHERE name = 'private'")
    )


def test_too_small_an_epsilon_is_told(politics: psycopg.Connection) -> None:
    notices: list[tuple[str, str | None]] = []
    politics.add_notice_handler(lambda notice: notices.append((notice.message_primary or "", notice.message_hint)))
    fit(politics, "private", f"{TOPIC} LIMIT 100", epsilon=0.05)
    (said,) = [each for each in notices if "has learnt next to nothing" in each[0]]
    assert said[1] is not None
    assert "larger epsilon or more rows" in said[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("""'m', 'classify', $${}$$, options => '{"epsilon": 0}'""", "invalid value"),
        ("""'m', 'classify', $${}$$, options => '{"epsilon": null}'""", "invalid value"),
        ("""'m', 'classify', $${}$$, options => '{"epsilon": "3"}'""", "invalid value"),
        ("""'m', 'classify', $${}$$, options => '{"epsilon": 3, "delta": 0}'""", "invalid value"),
        ("""'m', 'classify', $${}$$, options => '{"epsilon": 3, "delta": 0.009}'""", "too large for 741 rows"),
        ("""'m', 'classify', $${}$$, options => '{"epsilon": 0.01, "delta": 1e-12}'""", "no noise is enough"),
        ("""'m', 'classify', $${}$$, options => '{"delta": 1e-5}'""", "goes with epsilon"),
        ("""'m', 'classify', $${}$$, options => '{"unit": "person"}'""", "goes with epsilon"),
        ("""'m', 'classify', $${}$$, options => '{"epsilon": 3, "seed": 1}'""", '"seed" does not go with epsilon'),
        ("""'m', 'classify', $${}$$, 'x', 'lora', '{"epsilon": 3, "augment": 1}'""", '"augment" does not go'),
        ("""'m', 'classify', $${}$$, NULL, 'finetune', '{"epsilon": 3}'""", "cannot be trained with epsilon"),
        ("""'m', 'classify', $${}$$, NULL, 'contrastive', '{"epsilon": 3}'""", "cannot be trained with epsilon"),
        ("""'m', 'entities', $${}$$, options => '{"epsilon": 3}'""", "cannot be trained with epsilon"),
        ("""'m', 'relations', $${}$$, options => '{"epsilon": 3}'""", "cannot be trained with epsilon"),
        ("""'m', 'classify', $${}$$, options => '{"epsilon": 3, "unit": 5}'""", "unit must be the name"),
        ("""'m', 'classify', $${}$$, options => '{"epsilon": 3, "unit": ""}'""", "unit must be the name"),
        ("""'m', 'classify', $${}$$, options => '{"epsilon": 3, "unit": "person"}'""", "2 columns, and 3 are needed"),
        (
            """'m', 'classify', 'SELECT text, topic, id FROM sentence', options => '{"epsilon": 3, "unit": "one"}'""",
            'third column of the query is "id"',
        ),
        (
            """'m', 'classify', 'SELECT text, topic, NULL p FROM sentence', options => '{"epsilon": 3, "unit": "p"}'""",
            "row 1 of the query has no p",
        ),
        ("""'m', 'classify', 'SELECT text, topic, id FROM sentence', options => '{"epsilon": 3}'""", "3 columns"),
    ],
)
def test_what_would_break_the_promise_is_refused(politics: psycopg.Connection, arguments: str, says: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=says) as caught:
        politics.execute(f"SELECT llm_fit({arguments.replace('{}', TOPIC, 1)})")
    assert caught.value.diag.message_hint
    assert value(politics, "SELECT count(*) FROM llm_runs") == 0


def test_self_training_has_none(politics: psycopg.Connection) -> None:
    with pytest.raises(errors.InvalidParameterValue, match='unknown option "epsilon"'):
        politics.execute("""SELECT llm_self_train('m', 'SELECT 1', 'SELECT 1', options => '{"epsilon": 3}')""")


def test_a_base_that_knows_the_rows_is_refused(politics: psycopg.Connection) -> None:
    fine = """SELECT llm_fit('knows', 'classify', %s, NULL, 'finetune', '{"epochs": 1, "max_tokens": 16}')"""
    politics.execute(fine, (f"{TOPIC} WHERE id % 50 = 0",))
    private = (
        """SELECT llm_fit('m', 'classify', %s, 'knows', 'lora', '{"epsilon": 8, "epochs": 1, "max_tokens": 16}')"""
    )
    with pytest.raises(errors.InvalidParameterValue, match='base model "knows" has learnt from these rows'):
        politics.execute(private, (f"{TOPIC} WHERE id % 50 IN (0, 1)",))
    politics.execute(private, (f"{TOPIC} WHERE id % 50 = 2",))
    assert value(politics, "SELECT llm_classify('The elections of 1998 were won.', model => 'm')") in (
        "election",
        "other",
    )


def test_nothing_but_the_model_is_left(politics: psycopg.Connection, cluster: Cluster) -> None:
    fit(politics, "private", TOPIC)
    assert list((cluster.data / "pg_llm" / "pgsql_tmp" / "training").glob("*")) == []
    files = value(politics, "SELECT array_agg(DISTINCT path) FROM llm.model_file")
    assert sorted(files) == ["head.json", "head.safetensors"]


def test_what_is_made_of_a_private_model_keeps_its_mark(politics: psycopg.Connection) -> None:
    mine, others = (f"{TOPIC} WHERE id % 2 = {part}" for part in (0, 1))
    fit(politics, "private", mine)
    compress = "SELECT llm_compress('small', 'private', 'static', %s, '{\"min_quality\": 0}')"
    with pytest.raises(errors.InvalidParameterValue, match="has learnt from some of these rows with privacy") as caught:
        politics.execute(compress, (mine,))
    assert caught.value.diag.message_hint
    politics.execute(compress, (others,))
    run = "SELECT (options -> 'epsilon')::float8, (options -> 'delta')::float8 FROM llm_runs WHERE model = 'small'"
    assert politics.execute(run).fetchone() == (8.0, 1e-05)
    with pytest.raises(errors.InvalidParameterValue, match="was trained with privacy"):
        politics.execute("SELECT llm_calibrate('small', %s)", (others,))
    # What its base learnt from, it has learnt from.
    politics.execute("CREATE TABLE person AS SELECT id, text FROM sentence WHERE id < 4")
    politics.execute("ALTER TABLE person ADD PRIMARY KEY (id)")
    places = politics.execute("""SELECT place FROM llm_where_is('person', '{"id": 2}')""").fetchall()
    assert {('model "private"',), ('model "small"',)} <= set(places)


def test_who_did_not_train_a_model_is_not_told_what_it_has_learnt_from(politics: psycopg.Connection, role: str) -> None:
    fit(politics, "private", TOPIC)
    politics.execute(
        f"GRANT INSERT ON llm.model, llm.model_file, llm.run TO {role}; GRANT SELECT ON sentence TO {role}"
    )
    politics.execute(f"SET ROLE {role}")
    with pytest.raises(psycopg.Error) as caught:
        politics.execute(
            "SELECT llm_compress('tried', 'private', 'static', %s, '{\"min_quality\": 1}')", (f"{TOPIC} LIMIT 60",)
        )
    assert "learnt" not in str(caught.value)
