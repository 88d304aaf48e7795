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


@given(st.dictionaries(st.text(), _VALUES, max_size=5))
def test_a_message_comes_back_as_it_was(message: protocol.Message) -> None:
    frame = protocol.encode(message)
    (size,) = protocol.HEADER.unpack(frame[: protocol.HEADER.size])
    body = frame[protocol.HEADER.size :]
    assert len(body) == size
    assert protocol.decode(body) == message


def test_lone_surrogates_survive() -> None:
    # Python strings may hold what UTF-8 cannot.
    message = {"inputs": ["\ud800 and \udfff"]}
    assert protocol.decode(protocol.encode(message)[4:]) == message


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"", b"{", b"\xff\xfe", b"\x80\x04]."])
def test_a_frame_holds_one_json_object(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds, all of which close the connection
        protocol.decode(body)


def test_a_frame_that_would_be_too_large_is_refused_where_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_FRAME", 30)
    assert protocol.encode({"inputs": "x" * 10})
    with pytest.raises(InvalidInput, match="too large") as caught:
        protocol.encode({"inputs": "x" * 100})
    assert caught.value.hint


def test_the_largest_frame_fits_its_header() -> None:
    assert protocol.HEADER.unpack(protocol.HEADER.pack(protocol.MAX_FRAME)) == (protocol.MAX_FRAME,)


def test_frames_are_plain_json_to_any_other_reader() -> None:
    assert json.loads(protocol.encode({"id": 1, "text": "é"})[4:]) == {"id": 1, "text": "é"}
