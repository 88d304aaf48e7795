"""Tokens word by word are those that the tokenizer itself gives a text."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm.models import word_pieces
from pg_llm.models.word_pieces import WordPieces
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer, Normalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, Whitespace

PIECES = ["[UNK]", "[SEP]", *string.ascii_lowercase, *string.digits, *string.punctuation, "red", "rose", "##s", "##es"]


def tokenizer(normalizer: Normalizer | None = None, *, by_words: bool = True) -> Tokenizer:
    made = Tokenizer(WordPiece({piece: number for number, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    made.normalizer = normalizer or BertNormalizer(lowercase=True)
    made.pre_tokenizer = BertPreTokenizer() if by_words else Whitespace()
    made.add_special_tokens([AddedToken("[SEP]", special=True)])
    return made


BERT = tokenizer()
WORDS = WordPieces(BERT)


def read(text: str) -> list[int]:
    return list(BERT.encode(text, add_special_tokens=False).ids)


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_any_text_in_ascii(text: str) -> None:
    found = WORDS.tokens(text, 100)
    assert found is None or found == read(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "Red roses, red ROSE_s!", "a\tb\nc\r\nd", "x" * 101, "it's 3.5% [SEP", "sep]", "a-b/c\\d~e", "`^|"],
)
def test_words_and_marks(text: str) -> None:
    assert WORDS.tokens(text, 200) == read(text)
    assert WORDS.tokens(text, 200) == read(text)


@pytest.mark.parametrize("text", ["rosé", "a [SEP] b", "a [sep] b", "a\x00b", "a\x0bb", "a\x7f", "a " * 3000, "红"])
def test_the_tokenizer_is_asked_for_the_rest(text: str) -> None:
    assert WORDS.tokens(text, 10_000) is None


def test_more_tokens_than_wanted_are_none() -> None:
    assert WORDS.tokens("a b c", 3) == read("a b c")
    assert WORDS.tokens("a b c", 2) is None


@pytest.mark.parametrize(
    "other", [tokenizer(by_words=False), tokenizer(BertNormalizer(lowercase=False)), Tokenizer(WordPiece({"a": 0}))]
)
def test_tokenizers_that_read_otherwise_are_asked(other: Tokenizer) -> None:
    assert WordPieces(other).tokens("a", 10) is None


def test_few_words_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_pieces, "_MAX_KEPT", 3)
    words = WordPieces(BERT)
    for text in ("red rose", "a b c", "red d e"):
        assert words.tokens(text, 10) == read(text)
    assert len(words._known) <= 3
