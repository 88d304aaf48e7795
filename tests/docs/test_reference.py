"""The manual describes every object there is, in the words of its COMMENT, with its signature, and nothing else."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import psycopg
import pytest
from pages import MANUAL, PAGES, README, text
from pg_llm import errors, settings
from pg_llm.federation import options as federation
from pg_llm.graph import options as graph
from pg_llm.models import spec
from pg_llm.recommend import options as recommend
from pg_llm.training import options as training

OBJECTS = """
    SELECT CASE n.nspname WHEN 'llm' THEN 'llm.' ELSE '' END || coalesce(p.proname, c.relname),
           coalesce(obj_description(p.oid, 'pg_proc'), obj_description(c.oid, 'pg_class')),
           p.prokind, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
           ARRAY(SELECT quote_ident(attname) || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
                 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)
    FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'pg_llm' AND d.deptype = 'e'
    LEFT JOIN pg_proc AS p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
    LEFT JOIN pg_class AS c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'v')
    JOIN pg_namespace AS n ON n.oid = coalesce(p.pronamespace, c.relnamespace)
"""
# Tables that views and functions stand before.
TABLES = {
    "llm.model",
    "llm.model_file",
    "llm.training_lineage",
    "llm.privacy_budget",
    "llm.federation",
    "llm.run",
    "llm.recommender",
    "llm.all_cleaning",
    "llm.all_mark",
    "llm.all_step",
    "llm.all_change",
    "llm.all_record_merge",
    "llm.all_merged_row",
    "llm.all_repointed_row",
    "llm.all_rule",
    "llm.all_graph",
    "llm.all_graph_source",
    "llm.all_graph_row",
    "llm.all_entity",
    "llm.all_entity_embedding",
    "llm.all_relation",
    "llm.all_evidence",
    "llm.all_merge",
    "llm.all_graph_model",
    "llm.all_graph_model_file",
    "llm.all_catalog",
    "llm.all_description",
    "llm.all_taught",
    "llm.all_metric",
    "llm.all_ask",
    "llm.all_ask_calibration",
    "llm.all_semantic_index",
    "llm.all_work",
    "llm.all_worker",
    "llm.all_column",
    "llm.all_stream",
    "llm.stream_offset",
    "llm.stream_consumer",
    "llm.stream_change",
    "llm.stream_minute",
    "llm.stream_score",
    "llm.all_stream_dead_letter",
    "llm.all_stream_window",
    "llm.all_stream_alert",
    "llm.all_stream_alarm",
}
# Views that others are made from, and those that the functions write to.
PARTS = {
    "llm.budget",
    "llm.companion_table",
    "llm.readable_graph_source",
    "llm.seen_alias",
    "llm.relation_end",
    "llm.seen_evidence",
    "llm.own_graph",
    "llm.own_graph_source",
    "llm.own_graph_row",
    "llm.own_entity",
    "llm.own_entity_embedding",
    "llm.own_relation",
    "llm.own_evidence",
    "llm.own_graph_model",
    "llm.own_graph_model_file",
}
# Functions of the schema llm are called by triggers and views only.
INTERNAL = {
    "llm.progress_report",
    "llm.semantic_forget",
    "llm.semantic_definition",
    "llm.follow_index",
    "llm.enqueue_work",
    "llm.companion_ddl",
    "llm.companion_key_conversion",
    "llm.companion_author",
    "llm.companion_rewrite",
    "llm.create_companion_triggers",
    "llm.drop_companion_triggers",
    "llm.create_companion_policy",
    "llm.convert_companion_key",
    "llm.empty_companion",
    "llm.is_trigger_as_fired",
    "llm.prune_companions",
    "llm.readable_keys",
    "llm.relation_tree",
    "llm.relation_ancestors",
    "llm.graph_row_readable",
    "llm.readable_graph_sources",
    "llm.role_number",
    "llm.graph_follow",
    "llm.recommender_author",
    "llm.announce_worker",
    "llm.follow_column",
    "llm.column_author",
    "llm.staleness_report",
    "llm.stream_assignments",
    "llm.stream_lease",
    "llm.stream_slots",
    "llm.stream_position",
    "llm.stream_report",
    "llm.stream_write",
    "llm.stream_alarms",
    "llm.stream_outbox",
    "llm.stream_sent",
    "llm.stream_delivered",
    "llm.follow_stream",
    "llm.usage_report",
}
# Roles of the examples.
ROLES = {"llm_admin"}
# A chapter of a function or view: heading, COMMENT, signature.
CHAPTER = re.compile(r"^### (?:View )?([\w.]+)\n\n((?:[^\n]+\n)+)\n```\n(.+?)\n```$", re.DOTALL | re.MULTILINE)


class Described(NamedTuple):
    comment: str
    signature: str


@pytest.fixture
def objects(db: psycopg.Connection) -> dict[str, Described]:
    """Each function, procedure, view and table as its chapter describes it."""
    found = {}
    for name, comment, kind, arguments, result, columns in db.execute(OBJECTS).fetchall():
        if kind is None:
            signature = f"{name}({', '.join(columns)})"
        else:
            call = "CALL " if kind == "p" else ""
            takes = re.sub(r"\bIN ", "", arguments)
            gives = "" if kind == "p" else " → " + re.sub(r"^TABLE\((.*)\)$", r"(\1)", result)
            signature = f"{call}{name}({takes}){gives}"
        found[name] = Described(comment, short(signature))
    return found


def short(signature: str) -> str:
    """A signature with types and defaults as people write them."""
    bare = re.sub(r"::[a-z]+( precision| with time zone)?(\[\])?", "", signature)
    return re.sub(r"\binteger\b", "int", bare).replace("timestamp with time zone", "timestamptz")


def described() -> dict[str, Described]:
    chapters: dict[str, Described] = {}
    for page in MANUAL:
        for name, comment, signature in CHAPTER.findall(text(page)):
            assert name not in chapters, f"{name} is described twice"
            chapters[name] = Described(" ".join(comment.split()), " ".join(signature.split()))
    return chapters


def test_every_object_is_described_with_its_comment_and_signature(objects: dict[str, Described]) -> None:
    chapters = described()
    for name, expected in objects.items():
        assert expected.comment, name
        if name not in INTERNAL | TABLES | PARTS:
            assert chapters.get(name) == expected
    assert set(chapters) <= set(objects)


def test_what_is_left_out_exists(objects: dict[str, Described]) -> None:
    assert set(objects) >= INTERNAL | TABLES | PARTS


def test_the_readme_names_every_function(objects: dict[str, Described]) -> None:
    """By a link, or beside one to its page; the twin of a function for many texts goes with it."""
    leads = set(re.findall(r"\]\(extension/doc/\w+\.md#(?:view-)?(\w+)\)|`(\w+)`", text(README)))
    named = {name for pair in leads for name in pair}
    assert {name for name in objects if "." not in name and name.removesuffix("_batch") not in named} <= named


def test_nothing_is_named_that_does_not_exist(objects: dict[str, Described]) -> None:
    known = set(objects) | set(settings.SETTINGS) | ROLES
    for page in PAGES:
        called = set(re.findall(r"\b((?:llm_|semantic_|graph_)[a-z_]+)\b(?=\()", text(page)))
        assert called <= {name.removeprefix("llm.") for name in objects}, page.name
        named = set(re.findall(r"`(llm_\w+|llm\.\w+|semantic_\w+|graph_[a-z_]+)`", text(page)))
        assert named <= known, page.name


def rows(page: str, header: str) -> list[list[str]]:
    """The cells of the table below a header."""
    manual = next(text(path) for path in MANUAL if path.stem == page)
    table = manual.split(header + "\n", 1)[1].split("\n\n")[0]
    return [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in table.splitlines()[1:]]


def test_settings_are_those_of_the_code() -> None:
    assert rows("settings", "| setting | default | |") == [
        [f"`{setting.name}`", f"`{setting.default}`" if setting.default else "`''`", setting.meaning]
        for setting in settings.SETTINGS.values()
    ]
    manual = next(text(path) for path in MANUAL if path.stem == "settings")
    session, server = manual.split("## Who may set what")[1].split("These are read from")
    for scope, part in (("session", session), ("server", server)):
        assert re.findall(r"^- `(.+)`$", part, re.MULTILINE) == [
            setting.name for setting in settings.SETTINGS.values() if setting.scope == scope
        ]


def test_options_of_models_are_those_of_the_code() -> None:
    assert dict(rows("models", "| option | |")) == {f"`{name}`": meaning for name, (_, meaning) in spec.OPTIONS.items()}


@pytest.mark.parametrize(
    ("page", "kind", "options"),
    [
        ("train", "training", training.OPTIONS),
        ("train", "private", training.PRIVATE_OPTIONS),
        ("federate", "agreement", federation.AGREEMENT),
        ("federate", "federation", federation.FEDERATION),
        ("recommend", "recommender", recommend.OPTIONS),
        ("graph", "graph", graph.OPTIONS),
    ],
)
def test_options_of_trainings_are_those_of_the_code(page: str, kind: str, options: dict[str, Any]) -> None:
    told = rows(page, f"| {kind} option | default | |")
    assert [(name, default, re.sub(r" \(`.*\)$", "", meaning)) for name, default, meaning in told] == [
        (f"`{name}`", str(option.default), option.meaning) for name, option in options.items()
    ]


def test_errors_are_those_of_the_code() -> None:
    told = rows("errors", "| error | SQLSTATE | |")
    # The tree in errors.py has the sentences.
    assert told == [
        [f"`{name}`", state, meaning]
        for name, state, meaning in re.findall(r"(\w+) +(\w{5})  (.+)", errors.__doc__ or "")
    ]
    assert {(name.strip("`"), state) for name, state, _ in told} == {
        (name, kind.sqlstate)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.Error)
    }
