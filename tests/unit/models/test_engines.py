"""Engines that need no library of networks: manifests, tokenizers, heads on an echoing model, Viterbi, windows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from echo import EchoEngine, vector
from pg_llm.errors import DiskFull, InvalidModel, MemoryLimitExceeded, ModelChanged, ModelFilesMissing
from pg_llm.models import lac, loading, manifest, source, spacy
from pg_llm.models import tokens as tokenizations
from pg_llm.models.engine import Engine
from pg_llm.models.head import HeadModel
from pg_llm.models.pairs import WORDS, PairModel, hash_words
from pg_llm.models.spec import ModelSpec
from pg_llm.models.tokens import Tokenization
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

BASE = ModelSpec("base", "embedding", "path:/base")


def never(spec: ModelSpec) -> Any:
    raise AssertionError(f"{spec.name} was asked for")


def test_a_manifest_notices_every_change(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_text("a")
    assert not manifest.is_whole(tmp_path)
    manifest.write(tmp_path)
    assert manifest.is_whole(tmp_path)
    changes: list[Callable[[], object]] = [
        lambda: (tmp_path / "sub" / "a").write_text("b"),
        lambda: (tmp_path / "more").write_text(""),
        lambda: (tmp_path / "sub" / "a").unlink(),
        lambda: (tmp_path / manifest.NAME).write_text("[1"),
    ]
    for change in changes:
        change()
        assert not manifest.is_whole(tmp_path)
        manifest.write(tmp_path)
        assert manifest.is_whole(tmp_path)


@pytest.fixture(scope="module")
def serialized() -> str:
    words = {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "a": 4, "rose": 5, "is": 6}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return str(tokenizer.to_str())


def test_long_texts_become_windows_that_overlap(serialized: str) -> None:
    tokens = Tokenization(serialized, ["input_ids", "attention_mask"], 6, 0)
    (short, long) = tokens.encode(["a rose", "a rose is a rose is"], overlap=1)
    assert [window.tokens[0] for window in short] == [[1, 4, 5, 2]]
    assert [window.tokens[0] for window in long] == [[1, 4, 5, 6, 4, 2], [1, 4, 5, 6, 2]]
    assert [window.cost for window in long] == [6, 5]
    assert long[1].spans == [None, (10, 11), (12, 16), (17, 19), None]
    padded = tokens.padded([short[0], long[0]])
    assert padded["input_ids"].tolist() == [[1, 4, 5, 2, 0, 0], [1, 4, 5, 6, 4, 2]]
    assert padded["attention_mask"].tolist() == [[1, 1, 1, 1, 0, 0], [1] * 6]
    assert list(padded) == ["input_ids", "attention_mask"]


def test_the_second_text_of_a_pair_stands_in_every_window(serialized: str) -> None:
    tokens = Tokenization(serialized, ["input_ids", "token_type_ids"], 8, 9)
    (windows,) = tokens.encode([("a rose is a rose is", "rose")])
    assert [window.tokens[0] for window in windows] == [[1, 4, 5, 6, 4, 2, 5, 2], [1, 5, 6, 2, 5, 2]]
    padded = tokens.padded(windows)
    assert padded["input_ids"][1].tolist() == [1, 5, 6, 2, 5, 2, 9, 9]
    assert padded["token_type_ids"][1].tolist() == [0, 0, 0, 0, 1, 1, 0, 0]


def test_a_query_stands_in_every_window_of_the_text_it_is_compared_with(serialized: str) -> None:
    tokens = tokenizations.for_task("ranking", serialized, ["input_ids"], 8, 0)
    (windows, (alone,)) = tokens.encode([("rose", "a rose is a rose is"), "rose"])
    assert [window.tokens[0] for window in windows] == [[1, 5, 2, 4, 5, 6, 4, 2], [1, 5, 2, 5, 6, 2]]
    assert alone.tokens[0] == [1, 2, 5, 2]
    # A query of any length leaves half of the window to the text.
    for query in ("a " * 5, "a " * 100_000, "rose" * 100_000):
        (first, *_) = tokens.encode([(query, "rose is a")])[0]
        assert 5 in first.tokens[0]
        assert first.cost <= 8


def saved_head(folder: Path, weights: Any) -> Path:
    save_file({"weights": weights, "bias": np.asarray([0.5, -0.5], np.float32)}, folder / "head.safetensors")
    (folder / "head.json").write_text(json.dumps({"labels": ["a", "b"], "multi_label": True}))
    return folder


def test_a_head_stands_on_its_base(tmp_path: Path) -> None:
    weights = np.arange(32, dtype=np.float32).reshape(2, 16) / 10
    base = EchoEngine()
    model: Any = loading.load(
        ModelSpec("m", "classification", f"path:{saved_head(tmp_path, weights)}", base=BASE.to_wire()),
        1,
        lambda _: base,
    )
    assert isinstance(model, HeadModel)
    assert (model.engine, model.batch_tokens) == ("echo", 1000)
    assert model.details == {"labels": ["a", "b"], "multi_label": True}
    windows = [found[0] for found in model.encode(["a rose", "is"])]
    expected = np.asarray([vector("a rose"), vector("is")]) @ weights.T + [0.5, -0.5]
    assert model.forward(windows) == pytest.approx(expected, abs=1e-5)


def test_a_head_on_pairs_adds_their_words(tmp_path: Path) -> None:
    weights = np.zeros((2, 16 + WORDS), np.float32)
    columns, value = hash_words("near by")
    weights[1, [16 + column for column in columns]] = 2.0
    base = EchoEngine()
    spec = ModelSpec("m", "relations", f"path:{saved_head(tmp_path, weights)}", base=BASE.to_wire())
    model: Any = loading.load(spec, 1, lambda _: base)
    assert isinstance(model, PairModel)
    assert (model.details["words"], model.details["ends"]) == (True, None)
    ((window,), (other,)) = model.encode(["a rose\nnear by", "a rose\nfar"])
    found = model.forward([window, other])
    assert found[0] == pytest.approx([0.5, -0.5 + 2 * value * len(columns)], abs=1e-5)
    assert found[1] == pytest.approx([0.5, -0.5], abs=1e-5)
    assert base.read == ["a rose", "a rose"]


def loads(folder: Path, **fields: Any) -> Engine:
    return loading.load_reporting_errors(ModelSpec("m", fields.pop("task", "embedding"), **fields), 1, never)


def test_changed_files_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelChanged) as caught:
        loads(tmp_path, source=f"path:{tmp_path}", digest="0" * 64)
    assert caught.value.detail == f"Registered digest {'0' * 64}, found {source.digest(tmp_path)}."


def test_damaged_files_of_a_trained_model_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = source.trained_folder("0" * 64)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelFilesMissing, match="were damaged"):
        loads(folder, source=f"database:{'0' * 64}", digest="0" * 64)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (RuntimeError("bad header\nmore"), InvalidModel, 'model "m" cannot be loaded: RuntimeError: bad header'),
        (OSError("No space left on device"), DiskFull, "no room is left on the disk"),
        (MemoryLimitExceeded("too large"), MemoryLimitExceeded, "too large"),
    ],
)
def test_what_a_library_raises_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: type[Exception], message: str
) -> None:
    def fail(*_: Any) -> Any:
        raise raised

    (tmp_path / "model.safetensors").write_bytes(b"x")
    monkeypatch.setattr(loading, "_transformer", fail)
    with pytest.raises(kind, match=message):
        loads(tmp_path, source=f"path:{tmp_path}")


@pytest.mark.parametrize(
    ("files", "options", "weight"),
    [
        ({"a.safetensors": 100, "sub/b.safetensors": 60}, {}, 160),
        ({"a.safetensors": 100}, {"precision": "int8"}, 100),
        ({"a.gguf": 10, "mmproj-a.gguf": 5, "a.safetensors": 7}, {}, 10),
    ],
)
def test_the_weight_of_a_model_before_it_is_loaded(
    tmp_path: Path, files: dict[str, int], options: dict[str, Any], weight: int
) -> None:
    for name, size in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert loading.weight(ModelSpec("m", "embedding", f"path:{tmp_path}", options=options)) == weight


@pytest.mark.parametrize(("task", "what"), [("embedding", "a lexer of Chinese cannot do embedding")])
def test_a_lexer_finds_entities_only(tmp_path: Path, task: str, what: str) -> None:
    for name in source._LEXER:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InvalidModel, match=what):
        loads(tmp_path, task=task, source=f"path:{tmp_path}")


def test_cuda_is_used_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for present, wanted, chosen in (
        (True, None, "cuda"),
        (False, None, "cpu"),
        (True, "cpu", "cpu"),
        (True, "cuda", "cuda"),
    ):
        monkeypatch.setattr(loading.glob, "glob", lambda pattern, found=present: [pattern] if found else [])
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        options = {"device": wanted} if wanted else {}
        assert loading._device(ModelSpec("m", "embedding", "path:/m", options=options)) == chosen
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InvalidModel, match="this server has no CUDA device"):
        loading._device(ModelSpec("m", "embedding", "path:/m", options={"device": "cuda"}))


def test_the_best_path_obeys_transitions() -> None:
    emissions = np.asarray([[3.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert lac._viterbi(emissions, np.zeros((2, 2))) == [0, 1, 1]
    assert lac._viterbi(emissions, np.asarray([[0.0, -9.0], [0.0, 0.0]])) == [0, 0, 0]
    assert lac._tag_probabilities(emissions, [0, 1, 0]) == pytest.approx([0.952574, 0.731059, 0.268941], abs=1e-6)


def test_chinese_is_cut_after_sentences_else_clauses() -> None:
    sentence = "甲" * 250 + "。" + "乙" * 100 + "，" + "丙" * 300
    assert lac._split(sentence) == [(0, 251), (251, 651), (651, 652)]
    assert lac._split("甲" * 250 + "，" + "丙" * 300)[0] == (0, 251)
    assert lac._split("甲" * 900) == [(0, 400), (400, 800), (800, 900)]
    assert lac._split("") == []


def test_words_are_spans_of_tags_without_space_between() -> None:
    model = object.__new__(lac.LexerModel)
    model._tags = ["n-B", "n-I", "O"]
    assert list(model._spans([0, 1, 0, 1], [0, 1, 2, 5])) == [(0, 2), (2, 3), (3, 4)]


def test_windows_of_spacy_end_at_sentences_and_white_space() -> None:
    text = "word " * 300 + "End. " + "more " * 300
    pieces = spacy._split(text)
    assert [text[start:end].strip()[-4:] for start, end, _ in pieces] == ["more", "more"]
    assert "".join(text[start:end] for start, end, _ in pieces) == text
    sentences = spacy._split(text, spacy._SENTENCE)
    assert text[: sentences[0][1]].endswith("End.")
    assert [cost for *_, cost in spacy._split("x" * 5000)] == [2, 2, 2]


class Span:
    """A span of spaCy: words of one letter with a space between."""

    def __init__(self, first: int, last: int) -> None:
        self.start_char, self.end_char = 2 * first, 2 * last - 1


class Doc:
    def __getitem__(self, words: slice) -> Span:
        return Span(words.start, words.stop)


def test_an_entity_is_what_most_parses_hold() -> None:
    parses = [(0.5, [(0, 1, "PER"), (2, 4, "ORG")]), (0.3, [(0, 1, "PER"), (3, 4, "LOC")]), (0.2, [(0, 1, "LOC")])]
    assert spacy._entities(Doc(), parses, 10) == [("PER", 10, 11, 0.8)]
    assert spacy._entities(Doc(), [(2.0, [(0, 2, "A"), (1, 3, "B")])], 0) == [("A", 0, 3, 1.0)]
