import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg_llm import settings
from pg_llm.errors import InvalidInput
from pg_llm.settings import SETTINGS


def test_every_setting_has_a_default_that_it_accepts() -> None:
    assert settings.engine(None) == "shared"
    assert settings.size("llm.memory_limit", None) == 4 << 30
    assert settings.size("llm.memo_limit", None) == 128 << 20
    assert settings.count("llm.threads", None) == 0
    for name, setting in SETTINGS.items():
        assert name == setting.name
        assert name.startswith("llm.")
        assert settings.default(name).startswith(setting.default)
        assert setting.meaning


def test_empty_means_unset() -> None:
    # PostgreSQL reads a two-part setting as '' after SET LOCAL has ended.
    assert settings.engine("") == settings.engine(None)
    assert settings.size("llm.memory_limit", "") == settings.size("llm.memory_limit", None)
    assert settings.count("llm.threads", "") == 0


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("0", 0),
        ("1024", 1024),
        ("8b", 8),
        ("1kB", 1 << 10),
        ("512MB", 512 << 20),
        (" 2 gb ", 2 << 30),
        ("1TB", 1 << 40),
    ],
)
def test_size_reads_what_postgresql_writes(text: str, bytes_: int) -> None:
    assert settings.size("llm.memory_limit", text) == bytes_


@pytest.mark.parametrize("text", ["-1", "1.5GB", "GB", "4 XB", "4GB!", "١٢QB", "four", "0x10"])
def test_size_refuses_anything_else_and_names_the_setting(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"llm\.memo_limit") as caught:
        settings.size("llm.memo_limit", text)
    assert "MB" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["-1", "1.0", "two", "1 000"])
def test_count_refuses_what_is_not_a_whole_number(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"llm\.threads"):
        settings.count("llm.threads", text)


@pytest.mark.parametrize("text", ["Shared", "host", " shared", "backend;"])
def test_engine_refuses_what_is_not_an_engine(text: str) -> None:
    with pytest.raises(InvalidInput, match="engine") as caught:
        settings.engine(text)
    assert caught.value.hint == "Use one of: shared, backend."


@given(st.text())
def test_no_text_but_a_size_or_an_error(text: str) -> None:
    try:
        assert settings.size("llm.memory_limit", text) >= 0
    except InvalidInput as error:
        assert error.sqlstate == "22023"


def test_a_folder_is_an_absolute_path_or_none() -> None:
    assert settings.folder("llm.tensorboard_directory", None) is None
    assert settings.folder("llm.tensorboard_directory", " /var/log/x ") == "/var/log/x"
    with pytest.raises(InvalidInput, match="absolute path|tensorboard_directory"):
        settings.folder("llm.tensorboard_directory", "../x")
