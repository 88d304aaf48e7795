"""Which questions are for an effect; none of those that ask what there is may be taken for one."""

from __future__ import annotations

import pytest
from nl2sql import HELD, OFFICE, SEEN, own_questions, questions
from pg_llm.ask.causality import asks_for_effect


@pytest.mark.parametrize(
    "question",
    [
        "Did the discount raise the repeat rate?",
        "What is the effect of the campaign on revenue?",
        "what impact did the price change have on churn",
        "Is there an effect of age on salary?",
        "Does express shipping reduce returns?",
        "Did closing the store hurt online sales?",
        "Did sales rise because of the campaign?",
        "How much did output rise due to the new machine?",
        "打折对复购率有什么影响？",
        "培训是否提高了产量？",
    ],
)
def test_questions_for_an_effect(question: str) -> None:
    assert asks_for_effect(question)


@pytest.mark.parametrize(
    "question",
    [
        "Did sales increase in May?",
        "Did we raise prices this year?",
        "Did any customer increase a limit?",
        "Has Ann increased her limit?",
        "How many orders were cancelled because of damage?",
        "Are there orders returned due to damage?",
        "Which papers are about the effect of sleep on memory?",
        'Who wrote "Does smoking cause cancer"?',
        "What is the average effect size on record?",
        "销量是否增加了？",
    ],
)
def test_questions_for_what_there_is(question: str) -> None:
    assert not asks_for_effect(question)


def test_no_question_that_has_an_answer_is_taken_for_one() -> None:
    answered = [*questions(), *own_questions((*SEEN, *OFFICE, *HELD))]
    assert len(answered) > 200
    assert not [question.text for question in answered if asks_for_effect(question.text)]
