import re
import sqlite3

import pytest
from pg_llm import errors
from pg_llm.errors import Error, InvalidInput, from_wire, to_wire

_LINE = re.compile(r"(?P<branch>├── |└── )?(?P<name>\w+) +(?P<sqlstate>[0-9A-Z]{5})  (?P<meaning>\S.*)")


def _classes() -> list[type[Error]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Error)]


def test_the_tree_drawn_at_the_top_is_the_tree_of_classes() -> None:
    assert errors.__doc__
    first, *rest = drawn = [found for line in errors.__doc__.splitlines() if (found := _LINE.fullmatch(line))]
    assert first["branch"] is None
    assert [line["branch"] for line in rest] == ["├── "] * (len(rest) - 1) + ["└── "]
    assert [(line["name"], line["sqlstate"]) for line in drawn] == [
        (kind.__name__, kind.sqlstate) for kind in _classes()
    ]
    assert {kind.__base__ for kind in _classes()} == {Exception, Error}


@pytest.mark.parametrize("kind", _classes())
def test_an_error_comes_over_the_socket_as_it_was(kind: type[Error]) -> None:
    for hint, detail in ((None, None), ("Do this.", "Because of that, é 😀")):
        sent = kind("it is wrong", hint=hint, detail=detail)
        got = from_wire(to_wire(sent))
        assert type(got) is kind
        assert (got.message, got.hint, got.detail, got.sqlstate) == (
            sent.message,
            sent.hint,
            sent.detail,
            sent.sqlstate,
        )
        assert str(got) == "it is wrong"


@pytest.mark.parametrize("kind", _classes())
def test_sqlstates_are_well_formed_and_no_success(kind: type[Error]) -> None:
    assert re.fullmatch(r"[0-9A-Z]{5}", kind.sqlstate)
    # Classes 00 to 02 are success, warning and no data.
    assert kind.sqlstate[:2] not in ("00", "01", "02")
    assert kind is Error or kind.sqlstate != Error.sqlstate


@pytest.mark.parametrize("name", ["Exception", "annotations", "Any", "to_wire", "NoSuchError", "", "__builtins__"])
def test_a_class_that_is_none_of_ours_arrives_as_a_plain_error(name: str) -> None:
    assert type(from_wire({"class": name, "message": "odd"})) is Error


def test_a_hint_of_its_own_replaces_the_default() -> None:
    assert errors.UndefinedModel("no").hint == errors.UndefinedModel.default_hint
    assert errors.UndefinedModel("no", hint="this").hint == "this"
    assert InvalidInput("no").hint is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), errors.OutOfMemory),
        (OSError(12, "Cannot allocate memory"), errors.OutOfMemory),
        (
            RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
            errors.OutOfMemory,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), errors.OutOfMemory),
        (RuntimeError("std::bad_alloc"), errors.OutOfMemory),
        (OSError(28, "No space left on device", "/x"), errors.DiskFull),
        (OSError(122, "Disk quota exceeded"), errors.DiskFull),
        (sqlite3.OperationalError("database or disk is full"), errors.DiskFull),
        (OSError(30, "Read-only file system", "/x"), errors.FileFailed),
        (OSError(5, "Input/output error", "/x"), errors.FileFailed),
        (sqlite3.OperationalError("attempt to write a readonly database"), errors.FileFailed),
    ],
)
def test_what_ran_out_is_told_with_what_to_do(error: Exception, kind: type[errors.Error]) -> None:
    told = errors.from_exception(error)
    assert type(told) is kind
    assert told.sqlstate in ("53200", "53100", "58030")
    assert told.hint


def test_any_other_error_is_a_defect() -> None:
    told = errors.from_exception(KeyError("x"), hint="See the log.")
    assert (type(told), told.sqlstate, told.hint) == (errors.Error, "XX000", "See the log.")
    assert "\n" not in errors.from_exception(ValueError("one\ntwo")).message
