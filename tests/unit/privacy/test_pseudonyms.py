from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.errors import InvalidInput
from pg_llm.privacy import kinds
from pg_llm.privacy.host import dates, fakes, generalization, redaction
from pg_llm.privacy.host.keys import Key
from pg_llm.privacy.host.pseudonyms import Pseudonyms

SOURCE = "env:PG_LLM_TEST_KEY"


@pytest.fixture(autouse=True, scope="module")
def key_in_the_environment() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PG_LLM_TEST_KEY", "k" * 32)
        patch.setenv("PG_LLM_OTHER_KEY", "l" * 32)
        yield


def of(source: str = SOURCE) -> Pseudonyms:
    return Pseudonyms(Key(source))


VALUES = st.text(min_size=1) | st.from_regex(r"[+0-9() ./-]{1,70}", fullmatch=True)


@given(st.sampled_from(list(kinds.DESCRIPTIONS)), VALUES, st.none() | st.text())
def test_every_value_is_read_back_and_always_written_alike(kind: str, value: str, subject: str | None) -> None:
    written = of().write(kind, value, subject)
    assert written == of().write(kind, value, subject)
    assert of().reveal(kind, written, subject) == value


@given(st.lists(st.tuples(st.text(), st.sampled_from(list(kinds.DESCRIPTIONS)), st.text(min_size=1)), max_size=4))
def test_texts_with_tokens_are_read_back(parts: list[tuple[str, str, str]]) -> None:
    text = "".join(before + value for before, _, value in parts)
    pseudonymous = "".join(before + of().token(kind, value) for before, kind, value in parts)
    assert of().reveal_tokens(pseudonymous) == text
    assert of("env:PG_LLM_OTHER_KEY").reveal_tokens(pseudonymous) == pseudonymous


@given(st.from_regex(r"\+?[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{1,9}", fullmatch=True))
def test_digits_stay_digits_in_their_places(value: str) -> None:
    written = of().write("phone", value, None)
    assert re.sub("[0-9]", "#", written) == re.sub("[0-9]", "#", value)


def test_no_value_without_its_key() -> None:
    other = of("env:PG_LLM_OTHER_KEY")
    with pytest.raises(InvalidInput):
        other.reveal("person", of().write("person", "Ann Lee", None), None)
    with pytest.raises(InvalidInput):
        of().reveal("email", of().write("person", "Ann Lee", None), None)
    assert other.reveal("phone", of().write("phone", "020 7946 0958", None), None) != "020 7946 0958"
    assert of().write("phone", "020 7946 0958", None) != of().write("card", "020 7946 0958", None)


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)), st.dates(), st.text(min_size=1))
def test_days_of_a_person_keep_their_distance(first: datetime.date, second: datetime.date, person: str) -> None:
    days = of().days(person)
    assert 0 < abs(days) <= 366
    moved = of().shifted(first.isoformat(), person)
    assert moved is not None
    assert datetime.date.fromisoformat(moved) - first == datetime.timedelta(days)
    assert dates.shift(second.strftime("%Y-%m-%d"), 0) in (second.isoformat(), None)


@pytest.mark.parametrize(
    ("value", "later"),
    [
        ("2024-02-28", "2024-03-01"),
        ("28.02.2024", "01.03.2024"),
        ("28.2.2024", "1.3.2024"),
        ("12/30/2023", "01/01/2024"),
        ("2024年2月28日", "2024年3月1日"),
        ("3 March 1984", None),
        ("31.02.2024", None),
        ("9999-12-31", None),
    ],
)
def test_days_in_their_own_form(value: str, later: str | None) -> None:
    assert dates.shift(value, 2) == later


def test_keys_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for source in ("env:PG_LLM_NO_SUCH_KEY", "file:missing"):
        with pytest.raises(InvalidInput):
            Key(source)
    (tmp_path / "pg_llm" / "keys").mkdir(parents=True)
    file = tmp_path / "pg_llm" / "keys" / "short"
    file.write_text("short")
    with pytest.raises(InvalidInput, match="holds no key"):
        Key("file:short")
    file.write_text("s" * 32)
    known = {"name": "s", "source": "file:short", "fingerprint": Key("file:short").fingerprint}
    assert Key.registered(known).fingerprint == known["fingerprint"]
    file.write_text("t" * 32)
    with pytest.raises(InvalidInput, match="not the one that was registered"):
        Key.registered(known)


@pytest.mark.parametrize(
    ("kind", "value", "coarse"),
    [
        ("age", "47", "40-49"),
        ("date_of_birth", "3 March 1984", "1984"),
        ("address", "12345 High Street, 80331 München", "[address 80***]"),
        ("address", "5 Elm Road, Leeds LS1 4AP", "[address LS1]"),
        ("ip", "203.0.113.77", "203.0.113.0/24"),
        ("ip", "2001:db8:1:2::7", "2001:db8:1::/48"),
        ("coordinates", "48.85837, 2.29448", "48, 2"),
        ("person", "Ann Lee", None),
        ("ip", "nowhere", None),
    ],
)
def test_coarser(kind: str, value: str, coarse: str | None) -> None:
    assert generalization.generalized(kind, value) == coarse


@pytest.mark.parametrize("kind", list(kinds.DESCRIPTIONS))
def test_fakes_follow_from_the_seed_alone(kind: str) -> None:
    made = fakes.fake(kind, "Ab-12 3456", b"seed", None)
    assert made == fakes.fake(kind, "Ab-12 3456", b"seed", None)
    assert made != fakes.fake(kind, "Ab-12 3456", b"other", None)
    assert fakes.fake("person", "王小明", b"seed", None).isalpha()


def test_masks() -> None:
    assert redaction.masked("card", "4111 1111 1111 1111") == "**** **** **** 1111"
    assert redaction.masked("person", "Ann Lee") == "*** ***"
    assert redaction.label("person", "Ann Lee") == "[person]"
