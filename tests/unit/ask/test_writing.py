"""What a model writes: checked, mended by feedback, counted by results, and weighed by how reliable the model is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from echo import EchoHost, registered
from fake_connection import Call
from pg_llm.ask import answering, calibration
from pg_llm.ask.reliability import Reliability, assumed
from pg_llm.errors import EndpointFailed, InvalidInput

BOOKS = "How many books are there?"
# A question that the grammar has no query for.
ODD = "Does the typical book outweigh its neighbours?"
Conversation = list[dict[str, str]]


@pytest.fixture
def writes(library: Any, host: EchoHost) -> Callable[..., list[Conversation]]:
    """Samples of the model `writer`, the last one again and again; returns the conversations that it was sent."""
    library.answer("LEFT JOIN llm.model AS m", lambda call: [registered("writer", task=_task(call))])

    def write(*samples: str) -> list[Conversation]:
        left, conversations = list(samples), []

        def answer(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
            conversations.extend(json.loads(text) for text in inputs)
            return [_next(left) for _ in inputs]

        host.answers["sql_writing"] = answer
        return conversations

    return write


def _task(call: Call) -> str:
    return "generation" if "writer" in call.values else "embedding"


def _next(left: list[str]) -> str:
    return left.pop(0) if len(left) > 1 else left[0]


def test_samples_that_agree_answer_what_the_grammar_cannot(library: Any, writes: Any) -> None:
    assert answering.answer(library, ODD, None, None)["rows"] is None
    conversations = writes("SELECT avg(pages) FROM book")
    row = answering.answer(library, ODD, None, "writer")
    assert row["rows"] == [{"answer": 7}]
    # One in four such beginnings ends with a third that disagrees.
    assert row["confidence"] == pytest.approx(0.25 * assumed(2, 3) + 0.75 * assumed(3, 3), abs=0.001)
    assert '2 of 2 samples of the model "writer" agree' in row["reason"]
    assert "llm_calibrate_ask() measures it" in row["reason"]
    assert len(conversations) == 2


def test_all_samples_are_asked_for_where_more_confidence_is_wanted(library: Any, writes: Any) -> None:
    library.settings["llm.ask_threshold"] = "0.78"
    conversations = writes("SELECT avg(pages) FROM book")
    row = answering.answer(library, ODD, None, "writer")
    assert row["rows"] == [{"answer": 7}]
    assert row["confidence"] == pytest.approx(assumed(3, 3))
    assert '3 of 3 samples of the model "writer" agree' in row["reason"]
    assert len(conversations) == 3


def test_samples_that_are_left_count_as_they_were_measured(library: Any, writes: Any) -> None:
    measured = [{"agreeing": 2, "asked": 30, "right": 30}, {"agreeing": 3, "asked": 30, "right": 0}]
    library.answer("FROM llm.ask_calibration", measured)
    conversations = writes("SELECT avg(pages) FROM book")
    assert answering.answer(library, ODD, None, "writer")["rows"] is None
    assert len(conversations) == 3
    begun = Reliability({2: (10, 10), 3: (10, 0)})
    assert begun.confidence(2, 3, 1) == pytest.approx(begun.confidence(2, 3) / 4 + begun.confidence(3, 3) * 3 / 4)
    assert Reliability({3: (28, 28)}).confidence(2, 3, 1) > 0.95


def test_one_sample_confirms_what_the_grammar_is_sure_of(library: Any, writes: Any) -> None:
    alone = answering.suggest_sql(library, BOOKS, None, None)["confidence"]
    conversations = writes("SELECT count(bid) FROM book", "SELECT 1 FROM nowhere")
    assert answering.suggest_sql(library, BOOKS, None, "writer")["confidence"] == alone
    assert len(conversations) == 1
    conversations = writes("SELECT 1 FROM nowhere", "SELECT 2 FROM nowhere")
    assert answering.suggest_sql(library, BOOKS, None, "writer")["confidence"] == alone
    # All samples fail, and none is mended against it.
    assert len(conversations) == 3


def test_a_taught_question_needs_no_model(library: Any, writes: Any) -> None:
    library.answer("FROM llm.taught", [{"question": ODD, "sql": "SELECT avg(pages) FROM public.book", "near": 1.0}])
    conversations = writes("SELECT 1")
    assert answering.answer(library, ODD, None, "writer")["rows"] == [{"answer": 7}]
    assert not conversations


def test_nothing_is_mended_where_no_majority_can_come_of_it(library: Any, writes: Any) -> None:
    library.results = {"max(pages)": [[9]], "min(pages)": [[1]]}
    conversations = writes("SELECT max(pages) FROM book", "SELECT min(pages) FROM book", "SELECT avg(pages) FROM book")
    assert answering.answer(library, ODD, None, "writer")["rows"] is None
    assert len(conversations) == 3


def test_two_of_three_that_agree_suffice_and_one_does_not(library: Any, writes: Any) -> None:
    library.results = {"max(pages)": [[9]], "min(pages)": [[1]]}
    writes("SELECT max(pages) FROM book", "SELECT avg(pages) FROM book", "SELECT avg(pages) AS a FROM book")
    row = answering.answer(library, ODD, None, "writer")
    assert "avg" in row["sql"]
    assert row["rows"] == [{"answer": 7}]
    writes("SELECT max(pages) FROM book", "SELECT min(pages) FROM book", "SELECT avg(pages) FROM book")
    assert answering.answer(library, ODD, None, "writer")["rows"] is None


def test_a_query_that_fails_is_told_and_written_anew(library: Any, writes: Any) -> None:
    conversations = writes(*["SELECT weight FROM scale"] * 3, "SELECT avg(pages) FROM book")
    row = answering.answer(library, ODD, None, "writer")
    assert row["rows"] == [{"answer": 7}]
    first, *_, second = conversations
    assert len(conversations) == 4
    assert [message["role"] for message in second] == ["user", "assistant", "user"]
    assert second[:1] == first
    assert "there is no table scale that you may ask about" in second[2]["content"]


def test_feedback_ends_after_two_rounds(library: Any, writes: Any) -> None:
    conversations = writes(*[f"SELECT 1 FROM nowhere_{number}" for number in (1, 1, 1, 2, 3, 4)])
    row = answering.answer(library, ODD, None, "writer")
    assert row["rows"] is None
    assert "what the model wrote was not run: there is no table nowhere_" in row["reason"]
    assert len(conversations) == 5


def test_feedback_ends_where_a_query_fails_in_the_same_way_again(library: Any, writes: Any) -> None:
    conversations = writes(*[f"SELECT {number} FROM nowhere" for number in (1, 1, 1, 2, 3)])
    answering.answer(library, ODD, None, "writer")
    assert len(conversations) == 4


def test_a_model_that_repeats_itself_is_not_asked_again(library: Any, writes: Any) -> None:
    conversations = writes("WITH gone AS (DELETE FROM book RETURNING 1) SELECT 1 FROM gone")
    row = answering.answer(library, ODD, None, "writer")
    assert row["rows"] is None
    assert "changes data inside WITH" in row["reason"]
    assert len(conversations) == 4
    assert not [call for call in library.calls if "gone" in call.query]


def test_an_empty_result_is_doubted_once_and_answered(library: Any, writes: Any) -> None:
    library.results = {"pages > 1": []}
    conversations = writes("SELECT bid FROM book WHERE pages > 1")
    row = answering.answer(library, ODD, None, "writer")
    assert row["rows"] == []
    assert len(conversations) == 4
    assert "no row matches it" in conversations[-1][-1]["content"]


def test_a_model_that_fails_is_told_and_the_rest_answers(library: Any, writes: Any, host: EchoHost) -> None:
    def fail(inputs: Sequence[str], options: dict[str, Any]) -> list[str]:
        raise EndpointFailed("the endpoint is gone")

    writes("")
    host.answers["sql_writing"] = fail
    row = answering.answer(library, BOOKS, None, "writer")
    assert row["sql"] == "SELECT count(*) FROM book"
    assert row["rows"] == [{"answer": 7}]
    assert 'the model "writer" wrote nothing: the endpoint is gone' in row["reason"]


def test_of_two_that_are_sure_of_different_results_neither_may_be(library: Any, writes: Any) -> None:
    library.results = {"pages > 1": [[5]]}
    alone = answering.suggest_sql(library, BOOKS, None, None)["confidence"]
    writes("SELECT count(*) FROM book WHERE pages > 1")
    row = answering.answer(library, BOOKS, None, "writer")
    assert row["confidence"] < 0.6 < alone
    assert row["rows"] is None


def test_of_two_results_an_empty_one_is_likelier_wrong(library: Any, writes: Any) -> None:
    library.results = {"pages > 1": [[5]], "count(*)": [[0]]}
    assert answering.answer(library, BOOKS, None, None)["rows"] == [{"answer": 0}]
    writes("SELECT count(*) FROM book WHERE pages > 1")
    assert answering.answer(library, BOOKS, None, "writer")["rows"] == [{"answer": 5}]


def test_a_column_more_is_no_other_result(library: Any, writes: Any) -> None:
    library.describe_as("bid, title", [("bid", 23), ("title", 25)])
    library.results = {"bid, title": [[7, "x"]]}
    alone = answering.suggest_sql(library, BOOKS, None, None)["confidence"]
    writes("SELECT bid, title FROM book")
    assert answering.suggest_sql(library, BOOKS, None, "writer")["confidence"] == alone


@pytest.mark.parametrize("agrees", [True, False])
def test_a_model_known_to_be_wrong_raises_nothing(library: Any, writes: Any, agrees: bool) -> None:
    doubted = "Which writer has the fewest books?"
    alone = answering.suggest_sql(library, doubted, None, None)
    assert 0 < alone["confidence"] < 0.6
    library.answer("FROM llm.ask_calibration", [{"agreeing": 3, "asked": 30, "right": 0}])
    library.results = {"pages > 1": [[5]]}
    writes(alone["sql"] if agrees else "SELECT count(*) FROM book WHERE pages > 1")
    row = answering.suggest_sql(library, doubted, None, "writer")
    assert (row["sql"], row["confidence"]) == (alone["sql"], alone["confidence"])


def test_a_query_that_reads_nothing_of_the_question_is_not_believed(library: Any, writes: Any) -> None:
    writes("SELECT 42")
    row = answering.answer(library, "Which books did Ada Lovelace write?", None, "writer")
    assert "writer.name = 'Ada Lovelace'" in row["sql"]
    writes("SELECT count(*) FROM writer")
    library.results = {"count(*)": [[3]]}
    row = answering.answer(library, "In which way did Ada Lovelace dodge the year 2020?", None, "writer")
    assert row["rows"] is None


def test_the_model_of_the_setting_writes_where_somebody_set_it(library: Any, writes: Any, host: EchoHost) -> None:
    writes("SELECT avg(pages) FROM book")
    library.settings["llm.generation_model"] = "smollm2-135m-instruct"
    answering.answer(library, ODD, None, None)
    assert not [request for request in host.requests if request.task == "sql_writing"]
    library.settings["llm.generation_model"] = "writer"
    library.answer("LEFT JOIN llm.model AS m", lambda call: [registered("writer", task=_task_of_setting(call))])
    assert answering.answer(library, ODD, None, None)["rows"] == [{"answer": 7}]


def _task_of_setting(call: Call) -> str:
    return "generation" if "llm.generation_model" in call.values else "embedding"


def test_the_number_of_samples_is_a_setting(library: Any, writes: Any, host: EchoHost) -> None:
    writes("SELECT avg(pages) FROM book")
    library.settings["llm.ask_samples"] = "5"
    answering.answer(library, ODD, None, "writer")
    requests = [request for request in host.requests if request.task == "sql_writing"]
    assert [request.options["temperature"] for request in requests] == [0.0, 0.7, 0.7]
    assert [request.options["seed"] for request in requests] == [0, 1, 2]
    library.settings["llm.ask_samples"] = "0"
    with pytest.raises(InvalidInput, match="between 1 and"):
        answering.answer(library, ODD, None, "writer")


def test_the_prompt_shows_rows_unless_that_is_turned_off(library: Any, writes: Any) -> None:
    odd = "Does the typical writer outweigh the neighbours?"
    conversations = writes("SELECT avg(pages) FROM book")
    answering.answer(library, odd, None, "writer")
    assert "wid integer PRIMARY KEY, -- 1\n  name text, -- 'Ada'\n" in conversations[0][0]["content"]
    library.settings["llm.ask_sample_rows"] = "101"
    with pytest.raises(InvalidInput, match="at most 100"):
        answering.answer(library, odd, None, "writer")
    library.settings["llm.ask_sample_rows"] = "0"
    answering.answer(library, odd, None, "writer")
    assert "'Ada'" not in conversations[-1][0]["content"]


def test_confidence_is_what_was_measured_with_an_assumption_of_little_weight() -> None:
    assert [assumed(*each) for each in ((3, 3), (2, 3), (1, 3), (1, 1), (2, 5))] == [0.8, 0.65, 0.4, 0.4, 0.4]
    measured = Reliability({3: (20, 20), 2: (10, 0)})
    assert measured.confidence(3, 3) > 0.97
    assert measured.confidence(2, 3) < 0.15
    assert measured.confidence(1, 3) == assumed(1, 3)


def _taught(library: Any, count: int) -> None:
    rows = [{"question": f"{BOOKS} {n}", "sql": f"SELECT count(*) + {n % 2} FROM public.book"} for n in range(count)]
    library.answer("SELECT question, sql FROM llm.taught ORDER BY", rows)
    library.answer("DELETE FROM llm.ask_calibration")
    library.answer("INSERT INTO llm.ask_calibration")
    library.answer("pg_backend_pid() AS pid", [{"pid": 1, "datname": "d", "usename": "ann", "started_at": "now"}])
    library.results = {"count(*) + 1": [[8]], "count(*) + 0": [[7]], "count(bid)": [[7]]}


def test_calibration_counts_right_results_by_agreement(library: Any, writes: Any) -> None:
    _taught(library, 6)
    writes("SELECT count(bid) FROM book")
    (row,) = calibration.calibrate(library, "writer")
    assert (row["agreeing"], row["asked"], row["right"]) == (3, 6, 3)
    assert row["confidence"] == pytest.approx((3 + 2 * 0.8) / 8)
    (stored,) = library.asked("INSERT INTO llm.ask_calibration")
    assert stored.values == ("writer", "ec40", 3, [3], [6], [3])


def test_calibration_needs_taught_questions(library: Any, writes: Any) -> None:
    _taught(library, 4)
    writes("SELECT count(bid) FROM book")
    with pytest.raises(InvalidInput, match="at least 5 taught questions"):
        calibration.calibrate(library, "writer")
    assert not library.asked("INSERT INTO llm.ask_calibration")
