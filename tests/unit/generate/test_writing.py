"""What a language model writes of texts, on both sides: the host's parts and limits, and what a backend asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from echo import EchoEngine, EchoHost, registered, run
from fake_connection import FakeConnection
from pg_llm.errors import InvalidInput, TextUnfinished
from pg_llm.functions import writing as face
from pg_llm.generate.host import extraction, rewriting, spans, summarization
from pg_llm.models.engine import Window

Answer = Callable[[str, str], str | None]


class Writer(EchoEngine):
    """Writes what `answer` says of the guideline and the text; a prompt holds `window` characters."""

    def __init__(self, answer: Answer, window: int = 1000) -> None:
        super().__init__("generation", window=window)
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    def prompt(self, messages: Sequence[dict[str, str]], sampling: Any) -> Window:
        return Window((messages[0]["content"], messages[1]["content"]), 1)

    def truncate(self, text: str) -> str:
        return text[: self.window]

    def forward(self, batch: Sequence[Window]) -> list[str | None]:
        self.asked += [window.tokens for window in batch]
        return [self.answer(*window.tokens) for window in batch]


def says(change: Callable[[str], str]) -> Answer:
    return lambda guideline, text: json.dumps({"answer": change(text)})


def tells(change: Callable[[str], str]) -> Answer:
    return lambda guideline, text: change(text)


SUMMARY = {"instruction": None, "max_words": None}


def test_a_short_text_is_summarized_at_once() -> None:
    model = Writer(tells(lambda text: f" sum of {len(text)} "))
    assert run(summarization.prepare(model, ["a text"], SUMMARY), model) == ["sum of 6"]
    wish = {"instruction": "Only what it costs.", "max_words": 9}
    run(summarization.prepare(model, ["a text"], wish), model)
    guideline, text = model.asked[-1]
    assert text == "a text"
    assert "in at most 9 words. Only what it costs. " in guideline


def test_all_of_a_long_text_is_summarized() -> None:
    text = "".join(f"Sentence number {number} stands here. " for number in range(400))
    model = Writer(tells(lambda part: part[:20].strip()), window=600)
    (summary,) = run(summarization.prepare(model, [text], SUMMARY), model)
    first = [part for guideline, part in model.asked if "part of a longer one" in guideline]
    assert "".join(first).startswith(text)
    assert all(len(part) <= 600 for _, part in model.asked)
    assert summary == "Sentence number 0 st"
    # What a model does not shorten would never end.
    endless = Writer(tells(lambda part: part), window=100)
    with pytest.raises(TextUnfinished, match="no shorter than the text"):
        run(summarization.prepare(endless, ["word\n" * 50], SUMMARY), endless)


def test_a_summary_ends_with_a_sentence() -> None:
    for written, summary in (("One. Two! Thr", "One. Two!"), ("no end", "no end"), ("它很好。真的", "它很好。")):
        model = Writer(tells(lambda text, written=written: written))  # type: ignore[misc]
        assert run(summarization.prepare(model, ["x"], SUMMARY), model) == [summary]
    for nothing in ("", "  ", None):
        model = Writer(lambda guideline, text, nothing=nothing: nothing)  # type: ignore[misc]
        with pytest.raises(TextUnfinished, match="answered with nothing"):
            run(summarization.prepare(model, ["x"], SUMMARY), model)


def test_a_summary_has_no_more_words_than_asked() -> None:
    long = "One two three. Four five. Six seven eight nine."
    model = Writer(tells(lambda text: long))
    for most, expected in ((3, "One two three."), (6, "One two three. Four five."), (9, long), (2, "One two…")):
        assert run(summarization.prepare(model, ["x"], SUMMARY | {"max_words": most}), model) == [expected]
    assert summarization.count_words("它很好。 It's well-known") == 5
    assert summarization.shortened("它很好。真的好。", 4) == "它很好。"


@pytest.mark.parametrize("answer", [None, '{"answer": ""}', '{"answer": "  "}', '{"answer": null}', "{}"])
def test_what_is_not_finished_is_an_error(answer: str | None) -> None:
    model = Writer(lambda guideline, text: answer)
    with pytest.raises(TextUnfinished, match="did not finish"):
        run(rewriting.prepare(model, ["a text"], {"instruction": "Translate.", "keep": False}), model)


def test_a_text_is_rewritten_part_by_part_with_its_spaces() -> None:
    model = Writer(says(str.upper))
    text = f"  {'one two three. ' * 500}\n\n\tend "
    options = {"instruction": "Shout.", "keep": False}
    assert run(rewriting.prepare(model, [text], options), model) == [text.upper()]
    assert len(model.asked) > 2
    assert all(len(part) <= 3000 and part == part.strip() for _, part in model.asked)


def test_a_correction_is_one_of_the_text() -> None:
    options = {"instruction": "Correct.", "keep": True}
    model = Writer(says(lambda text: text.replace("go", "goes")))
    assert run(rewriting.prepare(model, ["She go home every day.", "go"], options), model) == [
        "She goes home every day.",
        "goes",
    ]
    model = Writer(says(lambda text: "Something else was said by nobody at all."))
    assert run(rewriting.prepare(model, ["She go home."], options), model) == ["She go home."]


def test_extraction_reads_all_parts() -> None:
    def answer(guideline: str, text: str) -> str:
        who = next((name for name in ("Ada", "Bob") if name in text), None)
        return json.dumps({"who": who, "places": [place for place in ("Rome", "Oslo") if place in text], "n": None})

    schema = {
        "type": "object",
        "properties": {
            "who": {"type": "string"},
            "places": {"type": "array", "items": {"type": "string"}},
            "n": {"type": "integer"},
        },
    }
    text = "Ada was in Rome. " + "x y. " * 30 + "Bob was in Oslo and Rome. " + "x y. " * 30
    model = Writer(answer, window=60)
    options = {"schema": schema, "max_tokens": 50}
    (found,) = run(extraction.prepare(model, [text], options), model)
    assert json.loads(found) == {"who": "Ada", "places": ["Rome", "Oslo"], "n": None}
    assert "".join(part for _, part in model.asked) == text
    schema["properties"]["places"]["maxItems"] = 1
    assert json.loads(run(extraction.prepare(model, [text], options), model)[0])["places"] == ["Rome"]
    # One part that is not finished leaves the whole open.
    model = Writer(lambda guideline, part: None if "Bob" in part else answer(guideline, part), window=60)
    assert run(extraction.prepare(model, [text], options), model) == [""]


LABELS = [("person", None), ("city", "where people live")]


def test_entities_stand_in_the_text_and_have_all_their_places() -> None:
    def answer(guideline: str, text: str) -> str:
        mentions = [("Rome", "city"), ("Ada", "person"), ("Bob", "person"), ("Ada Lovelace", "person"), ("Rom", "city")]
        return json.dumps({"mentions": [{"text": name, "kind": kind} for name, kind in mentions]})

    model = Writer(answer)
    text = "Ada Lovelace left Rome. Ada came back to Rome; Romeo did not."
    (found,) = run(spans.prepare(model, [text], {"labels": LABELS}), model)
    assert [(kind, text[start:end], score) for kind, start, end, score in json.loads(found)] == [
        ("person", "Ada Lovelace", None),
        ("city", "Rome", None),
        ("person", "Ada", None),
        ("city", "Rome", None),
    ]
    assert "person; city (where people live)" in model.asked[0][0]
    assert run(spans.prepare(model, ["", "  "], {"labels": LABELS}), model) == ["[]", "[]"]


def test_a_list_that_is_too_long_is_asked_for_in_halves() -> None:
    def answer(guideline: str, text: str) -> str | None:
        if len(text) > 300:
            return None
        return json.dumps({"mentions": [{"text": "Ada", "kind": "person"}] if "Ada" in text else []})

    model = Writer(answer)
    text = "Nobody was there. " * 40 + "Then Ada came. " + "Nobody was there. " * 40
    (found,) = run(spans.prepare(model, [text], {"labels": LABELS}), model)
    assert json.loads(found) == [["person", text.index("Ada"), text.index("Ada") + 3, None]]
    stuck = Writer(lambda guideline, text: None)
    with pytest.raises(TextUnfinished, match="list of the entities"):
        run(spans.prepare(stuck, [text], {"labels": LABELS}), stuck)


@pytest.mark.parametrize(
    ("text", "mentions", "places"),
    [
        ("New York Times of New York", [("New York", "city"), ("New York Times", "paper")], ["paper", "city"]),
        (
            "Jordan met Jordan in Jordan",
            [("Jordan", "person"), ("Jordan", "country")],
            ["person", "country", "country"],
        ),
        ("张三在北京", [("北京", "city"), ("张三", "person")], ["person", "city"]),
        ("nothing", [("x", "a"), ("", "a"), (None, "a"), ("nothing", None)], []),
    ],
)
def test_places_of_names(text: str, mentions: list[tuple[Any, Any]], places: list[str]) -> None:
    assert [kind for kind, _, _ in spans.locate(text, mentions)] == places


@pytest.fixture
def writer(db: FakeConnection, host: EchoHost) -> EchoHost:
    db.answer("LEFT JOIN llm.model AS m", [registered("writer", "generation")])
    for task in ("summarization", "rewriting"):
        host.answers[task] = lambda inputs, options: [text.upper() for text in inputs]
    return host


def test_the_faces(db: FakeConnection, writer: EchoHost) -> None:
    assert face.llm_summarize.__wrapped__(db, "a", " ", 5, None) == "A"
    assert writer.requests[-1].options == {"instruction": None, "max_words": 5}
    assert face.llm_translate.__wrapped__(db, "a", " French ", "German", "writer") == "A"
    assert "from German into French." in writer.requests[-1].options["instruction"]
    assert face.llm_fix_grammar.__wrapped__(db, "a", None) == "A"
    assert writer.requests[-1].options["keep"]
    asked = len(writer.requests)
    blank = [None, "", " \n"]
    expected = [(1, None), (2, ""), (3, " \n")]
    assert face.llm_summarize_batch.__wrapped__(db, blank, None, None, None) == expected
    assert face.llm_translate_batch.__wrapped__(db, blank, "French", None, None) == expected
    assert face.llm_fix_grammar_batch.__wrapped__(db, blank, None) == expected
    assert len(writer.requests) == asked
    assert face.llm_fix_grammar_batch.__wrapped__(db, ["a", None, "b"], None) == [(1, "A"), (2, None), (3, "B")]


@pytest.mark.parametrize("language", [None, "", "  ", "12", "x" * 101, "French\nand more"])
def test_a_language_is_a_name(db: FakeConnection, language: str | None) -> None:
    with pytest.raises(InvalidInput, match="language"):
        face.llm_translate.__wrapped__(db, "a", language, None, None)


@pytest.mark.parametrize("words", [0, -1, 2001])
def test_a_number_of_words_has_a_range(db: FakeConnection, words: int) -> None:
    with pytest.raises(InvalidInput, match="max_words must lie between 1 and 2000"):
        face.llm_summarize.__wrapped__(db, "a", None, words, None)
