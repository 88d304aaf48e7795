"""Single values: which of them go to libraries, to the dictionary and to a model."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from echo import EchoEngine, EchoHost, registered, run
from fake_connection import FakeConnection
from pg_llm.cleaning import forms, values
from pg_llm.cleaning.host import instruction, spelling, spelling_rewriting, standardization, text_repair
from pg_llm.cleaning.host import values as host_values
from pg_llm.errors import InvalidInput
from pg_llm.functions import clean as faces
from pg_llm.models.engine import Window

SENTENCE = "this is a sentence with a mispelling"


@pytest.fixture
def cleaner(db: FakeConnection, host: EchoHost) -> EchoHost:
    db.answer("LEFT JOIN llm.model AS m", [registered("writer", "generation")])
    db.settings["llm.engine"] = None
    host.answers["cleaning"] = lambda inputs, options: [text.strip() for text in inputs]
    host.answers["spelling"] = lambda inputs, options: ["yes" if "mispelling" in text else "" for text in inputs]
    host.answers["instruction"] = lambda inputs, options: [text.split()[-1] for text in inputs]
    return host


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("as an ISO date", "date"),
        ("E.164 phone, US", "phone"),
        ("two-letter country code", "country"),
        ("the country's name", "country name"),
        ("US state code", "state"),
        ("strip the unit", "unit"),
        ("Title Case", "title case"),
        ("only the surname", None),
    ],
)
def test_forms_that_an_instruction_names(text: str, form: str | None) -> None:
    assert forms.find(text) == form


def test_every_example_names_a_form() -> None:
    assert all(forms.find(example) for example in forms.EXAMPLES)
    assert all(callable(standardization.converter(example)) for example in forms.EXAMPLES)


def test_short_texts_are_not_looked_up(db: FakeConnection, cleaner: EchoHost) -> None:
    assert values.clean(db, [" a b ", "c"], None, None) == ["a b", "c"]
    assert [(each.task, each.model) for each in cleaner.requests] == [("cleaning", None), ("spelling", None)]
    assert cleaner.requests[1].inputs == []


def test_only_doubtful_sentences_are_read_by_a_model(db: FakeConnection, cleaner: EchoHost) -> None:
    sure = "this is a sentence without any"

    def spell(inputs: list[str], options: dict[str, object]) -> list[str]:
        model = cleaner.requests[-1].model
        return [text.replace("misp", "missp") if model else "yes" if "mispelling" in text else "" for text in inputs]

    cleaner.answers["spelling"] = spell  # type: ignore[assignment]
    assert values.clean(db, [SENTENCE, sure, SENTENCE], None, None) == [
        SENTENCE.replace("misp", "missp"),
        sure,
        SENTENCE.replace("misp", "missp"),
    ]
    assert [(each.model, each.inputs) for each in cleaner.requests[1:]] == [
        (None, [SENTENCE, sure]),
        ("writer", [SENTENCE, SENTENCE]),
    ]


def test_a_library_s_form_needs_no_model(db: FakeConnection, cleaner: EchoHost) -> None:
    values.clean(db, ["x"], "upper case", None)
    assert [(each.task, each.model, each.options) for each in cleaner.requests] == [
        ("cleaning", None, {"instruction": "upper case", "locale": None})
    ]


def test_other_instructions_go_to_a_model(db: FakeConnection, cleaner: EchoHost) -> None:
    assert values.clean(db, ["Anna Lind"], "only the surname", "writer") == ["Lind"]
    (request,) = cleaner.requests
    assert (request.model, request.options) == ("writer", {"instruction": "only the surname", "max_tokens": 256})
    for bad in ("", "?!", "x" * 1001):
        with pytest.raises(InvalidInput, match="not an instruction"):
            values.clean(db, [], bad, None)


def test_the_small_default_model_is_asked_for_no_other_instruction(db: FakeConnection, cleaner: EchoHost) -> None:
    for _ in range(2):
        assert values.clean(db, ["Anna Lind", None], "only the first name", None) == ["Anna Lind", None]
    assert cleaner.requests == []
    (told,) = [message for _, message, _ in db.messages if "only the first name" in message]
    assert "values stay as they are" in told


def test_a_model_that_does_not_generate_is_refused(db: FakeConnection, cleaner: EchoHost) -> None:
    db.answer("LEFT JOIN llm.model AS m", [registered("encoder", "embedding")])
    with pytest.raises(InvalidInput, match="generation is needed"):
        values.clean(db, [], None, "encoder")


def test_nulls_keep_their_place(db: FakeConnection, cleaner: EchoHost) -> None:
    assert faces.llm_clean_batch.__wrapped__(db, [None, " a ", None], None, None, None) == [
        (1, None),
        (2, "a"),
        (3, None),
    ]
    assert faces.llm_clean_batch.__wrapped__(db, None, None, None, None) == []
    assert faces.llm_clean.__wrapped__(db, None, None, None, None) is None
    assert faces.llm_clean.__wrapped__(db, " a ", None, None, None) == "a"


@pytest.mark.parametrize(
    ("instruction", "text", "result"),
    [
        ("ISO date", "25.03.2024", "2024-03-25"),
        ("ISO date", "03/04/2024", None),
        ("ISO date, day first", "03/04/2024", "2024-04-03"),
        ("ISO date, month first", "03/04/2024", "2024-03-04"),
        ("ISO date", "2024年3月5日", "2024-03-05"),
        ("ISO date", "2024-13-05", None),
        ("ISO date", "March 2024", None),
        ("ISO date", "25", None),
        ("ISO timestamp", "2024-03-05 10:30", "2024-03-05T10:30:00"),
        ("E.164 phone, US", "(202) 456-1111", "+12024561111"),
        ("E.164 phone", "202 456 1111", None),
        ("E.164 phone, Germany", "030 901820", "+4930901820"),
        ("country code", "Germany", "DE"),
        ("country code, alpha-3", "Germany", "DEU"),
        ("country name", "DE", "Germany"),
        ("country code", "Atlantis", None),
        ("US state code", "california", "CA"),
        ("US state code", "Ca.", "CA"),
        ("currency code", "Euro", "EUR"),
        ("language code", "German", "de"),
        ("strip the unit", "12.5 kg", "12.5"),
        ("strip the unit", "$5", "5"),
        ("strip the unit", "5", None),
        ("number", "1,234,567", "1234567"),
        ("number", "1.234,5", "1234.5"),
        ("number", "1,5", "1.5"),
        ("number", "1,234", None),
        ("number", "12 kg", "12"),
        ("boolean", "Yes", "true"),
        ("boolean", "否", "false"),
        ("boolean", "perhaps", None),
        ("email", "mailto:Ann@Example.ORG", "Ann@example.org"),
        ("email", "Ann at home", None),
        ("upper case", "straße", "STRASSE"),
        ("title case", "new YORK", "New York"),
        ("damage only", "x", "x"),
        ("number", "1" * 400, None),
    ],
)
def test_standard_forms(instruction: str, text: str, result: str | None) -> None:
    assert standardization.converter(instruction)(text) == result


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("Chlo\u00c3\u00a9", "Chloé"),
        ("a\u00a0 b\u200b", "a b"),
        ("\uff21\uff22\uff11", "AB1"),
        ("ﾊﾝｶｸ", "ハンカク"),
        ("中文，对", "中文，对"),
        ("x ，y", "x ,y"),
        ("AT&amp;T", "AT&T"),
        ("plain", "plain"),
    ],
)
def test_damage_is_repaired(text: str, repaired: str) -> None:
    assert text_repair.repair(text) == repaired


def test_what_no_form_fits_stays() -> None:
    works = host_values.prepare(None, [" 25.03.2024 ", " soon "], {"instruction": "ISO date", "locale": None})
    assert run(works, None) == ["2024-03-25", " soon "]
    assert run(host_values.prepare(None, [" soon "], {"instruction": None, "locale": None}), None) == ["soon"]


def test_suspects_are_rare_words_in_sentences() -> None:
    ((start, end, candidates),) = spelling.find_suspects(SENTENCE)
    assert SENTENCE[start:end] == "mispelling"
    assert candidates == ["dispelling", "misspelling"]
    for text in (
        "mispelling",
        "the mispelling, Mispelling",
        "see mispelling.org or the mispelling2 of a word",
        "a b c d",
    ):
        assert spelling.find_suspects(text) == []


def test_without_a_model_the_task_says_whether_there_are_suspects() -> None:
    assert run(spelling.prepare(None, [SENTENCE, "this is a sentence"], {}), EchoEngine()) == ["yes", ""]


class _Judge:
    """Likelihoods by word: what a language model would say."""

    def __init__(self, gain: float) -> None:
        self.gain = gain
        self.asked: list[tuple[str, list[str]]] = []

    def likelihood(self, before: str, texts: list[str]) -> object:
        import numpy as np

        self.asked.append((before, texts))
        return np.asarray([self.gain if text == "misspelling" else 0.0 for text in texts])

    def forward(self, windows: list[object]) -> list[object]:
        return windows


@pytest.mark.parametrize(("gain", "result"), [(20.0, SENTENCE.replace("misp", "missp")), (5.0, SENTENCE)])
def test_a_word_is_replaced_where_the_model_is_sure(gain: float, result: str) -> None:
    judge = _Judge(gain)
    assert run(spelling.prepare(judge, [SENTENCE], {}), judge) == [result]  # type: ignore[arg-type]
    assert judge.asked == [("this is a sentence with a ", ["mispelling", "dispelling", "misspelling"])]


def test_a_value_too_long_for_the_model_stays() -> None:
    class Short(EchoEngine):
        def truncate(self, text: str) -> str:
            return text[:10]

    options = {"instruction": "only the surname.", "max_tokens": 5}
    assert run(instruction.prepare(Short(), ["x" * 20, " "], options), None) == ["x" * 20, " "]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rewritten", "accepted"),
    [
        ("this is a sentence with a misspelling", "this is a sentence with a misspelling"),
        ("That was a sentence with a misspelling!", "this is a sentence with a misspelling"),
        ("this is a sentence with an error", SENTENCE),
        ("this is a sentence with a mispeling", SENTENCE),
        ("I cannot help with that.", SENTENCE),
        ("", SENTENCE),
    ],
)
def test_of_a_rewritten_text_corrections_of_misspelled_words_are_kept(rewritten: str, accepted: str) -> None:
    assert spelling_rewriting.accepted(SENTENCE, rewritten) == accepted


@pytest.mark.parametrize("text", ["Meet Jonh at x@exmple.com", "see /usr/lbi and a-mispelling", "SKU mispel1ing"])
def test_names_codes_and_addresses_are_not_misspelled(text: str) -> None:
    rewritten = text.replace("Jonh", "John").replace("exmple", "example").replace("lbi", "lib")
    assert spelling_rewriting.accepted(text, rewritten.replace("mispelling", "misspelling")) == text


def test_a_model_without_likelihoods_rewrites_parts_with_suspects() -> None:
    class Writer(EchoEngine):
        def forward(self, batch: Sequence[Window]) -> list[str | None]:
            texts = [window.tokens.partition("\n")[2] for window in batch]
            self.read += texts
            return [
                None if "unfinished" in text else json.dumps({"answer": text.replace("misp", "missp")})
                for text in texts
            ]

    model = Writer("generation")
    clean = "There is nothing wrong with this sentence. " * 60
    text = f"{clean}{SENTENCE}. {clean}"
    assert run(spelling.prepare(model, [text, clean], {}), model) == [text.replace("misp", "missp"), clean]
    assert len(model.read) == 1
    assert run(spelling.prepare(model, [f"{SENTENCE} unfinished"], {}), model) == [f"{SENTENCE} unfinished"]
