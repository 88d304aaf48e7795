import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm import protocol
from pg_llm.errors import InvalidInput

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def decoded(frame: bytes) -> protocol.Message:
    size = protocol.size(frame[: protocol.HEADER.size])
    body, texts = frame[protocol.HEADER.size :][:size], frame[protocol.HEADER.size + size :]
    message = protocol.decode(body)
    assert protocol.texts_size(message) == len(texts)
    return protocol.complete(message, texts)


@given(st.dictionaries(st.text().filter(lambda name: name != "texts"), _VALUES, max_size=5))
def test_a_message_comes_back_as_it_was(message: protocol.Message) -> None:
    assert decoded(protocol.encode(message)) == message
    assert decoded(protocol.encode(message, plain=True)) == message


@pytest.mark.parametrize("name", ["inputs", "result"])
def test_texts_stand_after_the_json(name: str) -> None:
    # Python strings may hold what UTF-8 cannot.
    message = {"id": 1, name: ["é" * 1000, "", "\ud800 and \udfff"]}
    frame = protocol.encode(message)
    assert decoded(frame) == message
    assert protocol.size(frame[:4]) < 100
    assert decoded(protocol.encode(message, plain=True)) == message


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"", b"{", b"\xff\xfe", b"\x80\x04]."])
def test_a_frame_holds_one_json_object(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds, all of which close the connection
        protocol.decode(body)


@pytest.mark.parametrize(
    "texts", [["inputs", [-1]], ["inputs", [1 << 40]], [1, [2]], ["inputs", ["9"]], "inputs", [[]]]
)
def test_lengths_of_texts_are_numbers_within_the_limit(texts: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        protocol.texts_size({"texts": texts})


def test_a_frame_that_would_be_too_large_is_refused_where_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_JSON", 60)
    monkeypatch.setattr(protocol, "MAX_TEXTS", 60)
    assert protocol.encode({"options": "x" * 10})
    for message in ({"options": "x" * 100}, {"inputs": ["x" * 100]}):
        with pytest.raises(InvalidInput, match="too large") as caught:
            protocol.encode(message)
        assert caught.value.hint
    with pytest.raises(ValueError, match="61 bytes"):
        protocol.size(protocol.HEADER.pack(61))


def test_frames_are_plain_json_to_any_other_reader() -> None:
    assert json.loads(protocol.encode({"id": 1, "text": "é"})[4:]) == {"id": 1, "text": "é"}
