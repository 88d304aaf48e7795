from __future__ import annotations

from typing import Any

import pytest
from fake_connection import Call, FakeConnection
from pg_llm.ask import answering, taught_examples
from pg_llm.errors import InsufficientPrivilege, InvalidInput, NoAnswer, UndefinedQuestion

BOOKS = "How many books are there?"


def test_a_count_is_answered_and_logged(library: Any) -> None:
    library.settings["llm.ask_log"] = "on"
    row = answering.answer(library, BOOKS, None, None)
    assert row["sql"] == "SELECT count(*) FROM book"
    assert row["rows"] == [{"answer": 7}]
    assert row["answer"] == "There are 7 books."
    assert row["confidence"] > 0.9
    assert row["chart"]["data"]["values"]
    (logged,) = library.asked("INSERT INTO llm.ask_log")
    assert logged.values == (BOOKS, row["sql"], row["confidence"], row["reason"], None)
    assert row["id"] == "6f1d"
    assert row["readings"] == [
        {"phrase": "How many", "meaning": "count"},
        {"phrase": "books", "meaning": "book"},
    ]


def test_tables_are_qualified_when_a_query_is_run(library: Any) -> None:
    answering.suggest_sql(library, BOOKS, None, None)
    (explained,) = library.asked("EXPLAIN (FORMAT JSON)")
    assert explained.query.endswith("SELECT count(*) FROM public.book")


def test_a_value_of_the_rows_restricts_the_answer(library: Any) -> None:
    row = answering.suggest_sql(library, "Which books did Ada Lovelace write?", None, None)
    assert "writer.name = 'Ada Lovelace'" in row["sql"]
    assert "JOIN" in row["sql"]
    assert row["explanation"]


def test_the_search_path_is_pinned_meanwhile_and_restored(library: Any) -> None:
    answering.suggest_sql(library, BOOKS, None, None)
    paths = [call.values[0] for call in library.asked("set_config('search_path', $1, true)")]
    assert paths == ["pg_catalog, pg_temp", "public"]


def test_below_the_threshold_there_is_a_reason_only(library: Any) -> None:
    library.settings["llm.ask_threshold"] = "1"
    row = answering.answer(library, BOOKS, None, None)
    assert row["answer"] is None
    assert row["rows"] is None
    assert row["sql"] == "SELECT count(*) FROM book"
    with pytest.raises(NoAnswer, match="no reading is sure enough"):
        answering.answer_rows(library, BOOKS, None, None)


def test_rows_alone(library: Any) -> None:
    assert answering.answer_rows(library, BOOKS, None, None) == [{"answer": 7}]


def test_nothing_is_logged_unless_that_is_wanted(library: Any) -> None:
    answering.answer(library, BOOKS, None, None)
    assert not library.asked("INSERT INTO llm.ask_log")


def test_a_query_that_costs_too_much_is_not_run(library: Any) -> None:
    library.cost = 1e12
    row = answering.answer(library, BOOKS, None, None)
    assert row["rows"] is None
    assert "more than llm.ask_cost_limit" in row["reason"]
    assert not library.asked("SELECT line, total")


def test_words_that_are_not_understood_are_told(library: Any) -> None:
    row = answering.suggest_sql(library, "How many purple books are there?", None, None)
    assert row["confidence"] < 0.7
    reason = answering.answer(library, "How many purple Zorgons are there?", None, None)["reason"]
    assert "not understood: " in reason
    assert "Zorgons" in reason


@pytest.mark.parametrize(
    "question", ["Wie viele Kunden gibt es?", "Combien de livres avons-nous ?", "¿Cuántos perros hay?"]
)
def test_questions_in_other_languages_are_told_so(library: Any, question: str) -> None:
    row = answering.answer(library, question, None, None)
    assert row["answer"] is None
    assert "questions are read in English and Chinese only" in row["reason"]


def test_without_tables_there_is_no_answer(library: Any) -> None:
    library.answer("relation FROM pg_class AS c JOIN pg_namespace AS n")
    library.answer("c.reltuples, pg_get_userbyid(c.relowner)")
    row = answering.suggest_sql(library, BOOKS, None, None)
    assert row["sql"] is None
    assert "there is no table that you may read" in row["explanation"]


def test_tables_that_run_code_of_others_are_left_out_and_told(library: Any) -> None:
    def foreign(call: Call) -> list[dict[str, Any]]:
        return [{"root": oid, "what": "policy p", "owner": "eve", "oid": 99} for oid in call.values[0] if oid == 16401]

    library.answer("AS plain FROM pg_class", lambda call: [{"plain": 16401 not in call.values[0]}])
    library.answer("AS alone", [{"alone": False}])
    library.answer("code.what, pg_get_userbyid(code.owner)", foreign)
    library.answer("regclass::text AS name", lambda call: [{"name": f"t{oid}"} for oid in call.values[0]])
    row = answering.suggest_sql(library, BOOKS, None, None)
    assert row["sql"] == "SELECT count(*) FROM book"
    assert 'left out: t16401 (policy p runs code of "eve")' in row["explanation"]


def test_named_tables_are_the_only_ones_read(library: Any) -> None:
    library.answer("AS t (name)", [{"oid": 16402}])
    library.answer("SELECT DISTINCT relowner::int8 AS oid", [{"oid": 10}])
    library.answer("AS alone", [{"alone": True}])
    library.answer("AS trusted, pg_has_role", [{"trusted": True, "shared": True}])
    library.answer("AS more FROM pg_roles", [{"more": False}])
    row = answering.suggest_sql(library, BOOKS, ["book"], None)
    assert row["sql"] == "SELECT count(*) FROM book"
    (named,) = library.asked("AS t (name)")
    assert named.values == (["book"],)
    library.answer("AS t (name)")
    with pytest.raises(InvalidInput, match="tables must not be empty"):
        answering.suggest_sql(library, BOOKS, [], None)


def test_a_named_table_that_may_not_be_read(library: Any) -> None:
    library.answer("AS t (name)", [{"oid": 1}])
    library.answer("AND c.oid = ANY($1::bigint[]::oid[])")
    library.answer("AS names FROM unnest", [{"names": "secret"}])
    with pytest.raises(InsufficientPrivilege, match="not to be asked about: secret"):
        answering.suggest_sql(library, BOOKS, ["secret"], None)


def taught(library: Any, question: str, sql: str, near: float) -> None:
    library.answer("SELECT FROM llm.taught LIMIT 1", [{}])
    library.answer("AS near FROM llm.taught", [{"question": question, "sql": sql, "near": near}])


def test_a_taught_question_wins(library: Any) -> None:
    taught(library, BOOKS, "SELECT count(DISTINCT title) FROM public.book", 1)
    library.results["count(DISTINCT title)"] = [[5]]
    row = answering.answer(library, BOOKS, None, None)
    assert row["sql"] == "SELECT count(DISTINCT title) FROM public.book"
    assert row["rows"] == [{"answer": 5}]
    assert row["reason"] == "as taught by llm_teach()"


def test_a_taught_question_is_adapted_to_another_value(library: Any) -> None:
    taught(library, "How many writers of France?", "SELECT count(*) FROM writer WHERE country = 'France' LIMIT 1", 0.9)
    row = answering.suggest_sql(library, "How many writers of Spain?", None, None)
    assert row["sql"] == "SELECT count(*) FROM writer WHERE country = 'Spain' LIMIT 1"


def test_a_taught_question_that_is_far_is_not_used(library: Any) -> None:
    taught(library, "Something else", "SELECT 1", 0.2)
    assert answering.suggest_sql(library, BOOKS, None, None)["sql"] == "SELECT count(*) FROM book"


def test_feedback_teaches(library: Any) -> None:
    library.answer("UPDATE llm.ask_log", [{"question": BOOKS, "sql": "SELECT count(*) FROM book"}])
    library.answer("DELETE FROM llm.taught")
    library.answer("INSERT INTO llm.taught")
    answering.record_feedback(library, "42", True, None)
    (stored,) = library.asked("INSERT INTO llm.taught")
    assert stored.values[:3] == (BOOKS, "SELECT count(*) FROM public.book", "echo")
    answering.record_feedback(library, "42", False, None)
    assert library.asked("DELETE FROM llm.taught")[-1].values == (BOOKS, "SELECT count(*) FROM book")
    answering.record_feedback(library, "42", False, "SELECT max(pages) FROM book")
    assert library.asked("INSERT INTO llm.taught")[-1].values[1] == "SELECT max(pages) FROM public.book"


def test_feedback_on_what_is_not_there(library: Any) -> None:
    library.answer("UPDATE llm.ask_log")
    with pytest.raises(UndefinedQuestion):
        answering.record_feedback(library, "42", True, None)
    library.answer("UPDATE llm.ask_log", [{"question": BOOKS, "sql": None}])
    with pytest.raises(InvalidInput, match="had no SQL"):
        answering.record_feedback(library, "42", True, None)


def test_teaching_forgets_with_null_and_refuses_bad_sql(library: FakeConnection) -> None:
    library.answer("DELETE FROM llm.taught")
    taught_examples.teach(library, "How  many? ", None)
    assert library.asked("DELETE FROM llm.taught")[0].values == ("How many?",)
    with pytest.raises(InvalidInput, match="is no SELECT"):
        taught_examples.teach(library, "How many?", "DROP TABLE book")
    with pytest.raises(InvalidInput, match="1 to 4000"):
        taught_examples.teach(library, "x" * 4001, None)
