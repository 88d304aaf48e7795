from pathlib import Path

import pytest
from pg_llm import processor, settings


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", True),
        ("processor\t: 0\nflags\t\t: fpu avx2 avx_vnni\nflags\t\t: fpu", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("Features\t: fp asimd asimddp", False),
        ("", False),
    ],
)
def test_vnni_is_a_flag_of_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, expected: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(processor, "_CPUINFO", str(tmp_path / "cpuinfo"))
    assert processor.has_vnni.__wrapped__() is expected
    (tmp_path / "cpuinfo").unlink()
    assert processor.has_vnni.__wrapped__() is False


@pytest.mark.parametrize(("vnni", "suffix"), [(True, "-int8"), (False, "")])
def test_the_default_encoder_suits_the_processor(monkeypatch: pytest.MonkeyPatch, vnni: bool, suffix: str) -> None:
    monkeypatch.setattr(processor, "has_vnni", lambda: vnni)
    for name in ("llm.embedding_model", "llm.classification_model", "llm.ranking_model", "llm.answer_model"):
        assert settings.default(name) == f"all-minilm-l6-v2{suffix}"
    assert settings.default("llm.generation_model") == "smollm2-135m-instruct"
