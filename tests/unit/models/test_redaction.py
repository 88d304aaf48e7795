"""Labels in place of what an endpoint is not to get, and back again in what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from faulty_endpoint import FaultyEndpoint, Reply, Request, chat, echo
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.errors import InvalidInput, InvalidModel, TextRefused
from pg_llm.models import loading
from pg_llm.models.endpoint import redaction
from pg_llm.models.endpoint.batches import EndpointEmbedding, EndpointRanking
from pg_llm.models.endpoint.chat import EndpointGeneration
from pg_llm.models.endpoint.redaction import Labels
from pg_llm.models.engine import Sampling
from pg_llm.models.spec import ModelSpec, check_options

ANNA, PAUL, MAIL = "Anna O'Meier", "Paul Weber", "anna@example.com"
Spans = list[tuple[str, int, int]]


def find(texts: Sequence[str]) -> list[Spans]:
    """The two persons and the address, wherever they stand first in a text."""
    return [
        sorted(
            ((kind, text.index(value), text.index(value) + len(value)) for kind, value in KNOWN if value in text),
            key=lambda each: each[1],
        )
        for text in texts
    ]


KNOWN = (("person", ANNA), ("person", PAUL), ("email", MAIL))


def labels(*texts: str) -> Labels:
    return Labels(texts, find(texts))


@pytest.fixture
def server() -> Any:
    with FaultyEndpoint().running() as running:
        yield running


def test_a_value_has_one_label_in_a_request() -> None:
    text = f"{ANNA} and {PAUL} ({MAIL}); {ANNA} again, O'Meier, Weber and Paul, but no Webern."
    made = labels(text, f"of {PAUL}")
    assert made.redact(text) == (
        "[person_1] and [person_2] ([email_1]); [person_1] again, O'[person_3], [person_4] and [person_5],"
        " but no Webern."
    )
    assert made.redact(f"of {PAUL}") == "of [person_2]"
    assert len(made) == 6
    assert made.restore(made.redact(text)) == text
    assert labels(text).redact(text, is_numbered=False).startswith("[person] and [person] ([email]); [person] again")
    none = labels("nothing")
    assert none.are_none
    assert (none.redact("nothing"), none.restore("[person_1]"), len(none)) == ("nothing", "[person_1]", 0)


@pytest.mark.parametrize(
    "written", ["[person_1]", "[PERSON_1]", "[Person 1]", r"[person\_1]", r"\[person_1\]", "[person-1]"]
)
def test_labels_are_read_as_models_write_them(written: str) -> None:
    made = labels(f"{ANNA} writes")
    made.redact(f"{ANNA} writes")
    assert made.restore(f"from {written}!") in (f"from {ANNA}!", f"from \\{ANNA}!")
    assert made.restore("[person_2], person_1, [person_11]") == "[person_2], person_1, [person_11]"


def test_a_label_that_stands_in_the_text_is_not_taken() -> None:
    text = f"[person_1] and [Person 2] saw {ANNA}"
    made = labels(text)
    assert made.redact(text) == "[person_1] and [Person 2] saw [person_3]"
    assert made.restore("[person_1] [person_2] [person_3]") == f"[person_1] [person_2] {ANNA}"


def test_what_is_restored_is_written_as_its_place_wants() -> None:
    text = f'{ANNA} "x"'
    made = Labels([text], [[("person", 0, len(text))]])
    made.redact(text)
    assert json.loads(str(made.restore('{"name": "[person_1]"}', redaction.in_json))) == {"name": text}
    assert made.restore("name = '[person_1]'", redaction.in_sql) == "name = 'Anna O''Meier \"x\"'"
    assert made.restore("[person_1]" * 10, most=100) is None


@given(st.text(alphabet="ab[]_1 person\\'\"汉\n", max_size=60), st.lists(st.integers(0, 60), min_size=2, max_size=6))
def test_whatever_is_found_comes_back(text: str, places: list[int]) -> None:
    cuts = sorted({min(place, len(text)) for place in places})
    spans = [("person", start, end) for start, end in zip(cuts[::2], cuts[1::2], strict=False) if start < end]
    made = Labels([text], [spans])
    redacted = made.redact(text)
    assert made.restore(redacted) == text
    for _, start, end in spans:
        value = text[start:end]
        if re.search(r"\w{3}", value) and "person" not in value:
            assert not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", redacted)


def test_a_schema_says_the_same_with_labels() -> None:
    schema = {
        "type": "object",
        "properties": {
            PAUL: {"type": "string", "minLength": 2, "pattern": "^P", "format": "email"},
            "format": {"$ref": "#/$defs/x"},
            "who": {"enum": [ANNA, None, 3], "description": f"not {PAUL}"},
        },
        "required": [PAUL, "who"],
        "$defs": {"x": {"const": {"name": MAIL}}},
    }
    texts = [*redaction.schema_texts(schema)]
    assert {PAUL, "format", "who", ANNA, f"not {PAUL}", "x", "name", MAIL} == set(texts)
    made = Labels(texts, find(texts))
    sent = made.redact_schema(schema)
    wrote = json.dumps(sent)
    assert ANNA not in wrote
    assert PAUL not in wrote
    assert MAIL not in wrote
    (paul, *_) = sent["properties"]
    assert sent["required"][0] == paul
    assert sent["properties"][paul] == {"type": "string"}
    assert "format" in sent["properties"]
    assert made.restore(wrote, redaction.in_json) == json.dumps(
        {
            **schema,
            "properties": {
                PAUL: {"type": "string"},
                "format": {"$ref": "#/$defs/x"},
                "who": {"enum": [ANNA, None, 3], "description": f"not {PAUL}"},
            },
        }
    )
    assert labels("x").redact_schema(schema) == schema


def spec(server: FaultyEndpoint, task: str, **options: Any) -> ModelSpec:
    return ModelSpec("m", task, server.source(), options=options)


def test_a_text_goes_out_and_comes_back(server: FaultyEndpoint) -> None:
    model = EndpointGeneration(spec(server, "generation"), find)
    server.behaviour = lambda request: Reply(chat(request.prompt.rpartition("\n")[2]))
    windows = [model.prompt([{"role": "user", "content": text}], Sampling(9)) for text in (f"Hi {ANNA}", "nobody")]
    assert model.submit(windows[:1]).result() == [f"Hi {ANNA}"]
    assert server.requests[0].prompt.endswith("\n\nHi [person_1]")
    assert model.submit(windows[1:]).result() == ["nobody"]
    # Where nothing was found nothing is said of labels.
    assert server.requests[1].prompt == "nobody"
    assert [window.tokens.redacted for window in windows] == [1, 0]
    sql = Sampling(9, is_sql=True)
    assert model.submit([model.prompt([{"role": "user", "content": f"= '{ANNA}'"}], sql)]).result() == [
        "= 'Anna O''Meier'"
    ]


def test_json_follows_the_schema_with_what_was_kept(server: FaultyEndpoint) -> None:
    model = EndpointGeneration(spec(server, "generation"), find)
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}
    server.behaviour = lambda request: Reply(chat('{"name": "[person_1]"}'))
    (output,) = model.submit([model.prompt([{"role": "user", "content": ANNA}], Sampling(9, schema=schema))]).result()
    assert isinstance(output, TextRefused)
    assert "longer than 5" in output.message
    assert ANNA not in output.message
    roomy = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 50}}}
    asked = model.prompt([{"role": "user", "content": ANNA}], Sampling(9, schema=roomy))
    assert json.loads(model.submit([asked]).result()[0]) == {"name": ANNA}


def test_a_choice_among_persons(server: FaultyEndpoint) -> None:
    model = EndpointGeneration(spec(server, "generation"), find)

    def chooses(request: Request) -> Reply:
        """By letters, as the labels begin alike."""
        assert "A. [person_1]" in request.prompt or "A. [person_2]" in request.prompt
        return Reply(chat("B"))

    server.behaviour = chooses
    asked = model.question([{"role": "user", "content": f"Who wrote, {PAUL} or {ANNA}?"}], [ANNA, PAUL])
    (found,) = model.submit([asked]).result()
    assert list(found) == [-7.0, 0.0]
    assert ANNA not in json.dumps(server.requests[-1].body)


def test_vectors_and_relevance(server: FaultyEndpoint) -> None:
    vectors = EndpointEmbedding(spec(server, "embedding"), find)
    vectors.submit([each for windows in vectors.encode([f"{PAUL} pays", ANNA]) for each in windows]).result()
    assert server.requests[-1].body["input"] == ["[person] pays", "[person]"]
    ranking = EndpointRanking(spec(server, "ranking"), find)
    pairs = [(f"where is {PAUL}", f"{ANNA} left"), (f"where is {PAUL}", f"{PAUL} is here")]
    ranking.submit([each for windows in ranking.encode(pairs) for each in windows]).result()
    assert server.requests[-1].body["query"] == "where is [person_1]"
    assert server.requests[-1].body["documents"] == ["[person_2] left", "[person_1] is here"]


def test_nothing_goes_where_finding_fails(server: FaultyEndpoint) -> None:
    def fails(texts: Sequence[str]) -> list[Spans]:
        raise InvalidModel("no finder")

    model = EndpointGeneration(spec(server, "generation"), fails)
    with pytest.raises(InvalidModel, match="no finder"):
        model.forward(model.encode([ANNA])[0])
    assert server.requests == []
    wanted = spec(server, "generation", redact_before=True)
    with pytest.raises(InvalidModel, match="nothing here redacts"):
        loading.load(wanted, 1, lambda _: pytest.fail("no base"))
    asked: list[Any] = []
    loading.load(
        ModelSpec(**{**wanted.to_wire(), "redactors": {}, "options": {"redact_before": ["person"]}}),
        1,
        lambda _: pytest.fail("no base"),
        lambda kinds, specs: asked.append((kinds, specs)) or find,  # type: ignore[func-returns-value]
    )
    assert asked == [(["person"], {})]


def test_an_answer_of_labels_does_not_fill_the_memory(server: FaultyEndpoint) -> None:
    long = "x" * 3000
    model = EndpointGeneration(
        spec(server, "generation", max_response="1MB"), lambda texts: [[("url", 0, 3000)]] * len(texts)
    )
    server.behaviour = lambda request: Reply(chat("[url_1]" * 1000))
    (output,) = model.submit([model.prompt([{"role": "user", "content": long}], Sampling(9))]).result()
    assert isinstance(output, TextRefused)
    assert "larger than" in output.message
    server.behaviour = echo


def test_option() -> None:
    check_options({"redact_before": True})
    check_options({"redact_before": ["person", "email"]})
    for wrong in (False, "all", [], ["person", 1], {"kinds": []}, None):
        with pytest.raises(InvalidInput, match="redact_before"):
            check_options({"redact_before": wrong})
    local = ModelSpec("m", "embedding", "path:/x", options={"redact_before": True})
    with pytest.raises(InvalidInput, match="stays on the server"):
        loading.resolve(local)
