"""Federated training over three clusters of their own: what is learnt, what travels, and what a peer or coordinator
that lies gets by it."""

from __future__ import annotations

import base64
import itertools
import json
import random
import re
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest
from database import install, value
from psycopg import errors, sql
from wiretap import Wiretap
from workbench.cluster import TEST_SETTINGS, Cluster

Connect = Callable[..., psycopg.Connection]
WARDS = {
    "cardiology": ["chest pain", "a racing heart", "high blood pressure", "swollen legs", "a stent of last year"],
    "dermatology": ["a red rash", "itching skin", "a mole that grew", "dry patches on the elbow", "acne"],
    "orthopaedics": ["a broken wrist", "a sore knee", "a fall on the stairs", "a stiff hip", "pain in the lower back"],
}
LABELS = sorted(WARDS)
# In every text, in the names of table and column, and in what the servers' owners call their rows.
CANARY = "Xylophonia"
PASSWORD = "between-boards"
QUERY = f"SELECT note, ward FROM {CANARY}_visit"
ROWS = 60


def notes(seed: int, count: int, wards: list[str] | None = None) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    made = []
    for number in range(count):
        ward = chance.choice(wards or LABELS)
        complaint, another = chance.sample(WARDS[ward], 2)
        made.append((f"Mrs {CANARY} {seed}-{number} comes with {complaint}, and told of {another}.", ward))
    return made


@dataclass
class Hospital:
    """A cluster of its own, whose owner is its superuser; the board's role comes from outside."""

    name: str
    cluster: Cluster
    tap: Wiretap
    owner: psycopg.Connection

    def agree(self, name: str = "triage", query: str = QUERY, **options: object) -> dict[str, object]:
        given = {"labels": LABELS, "rounds": 50, **options}
        named = sql.SQL(", ").join(
            sql.SQL("{} => {}").format(sql.Identifier(k), sql.Literal(v)) for k, v in given.items()
        )
        call = sql.SQL("SELECT llm_allow_federation({}, 'board', {}, {})").format(name, query, named)
        return value(self.owner, call.as_string(self.owner))

    def forget(self) -> None:
        for (name,) in self.owner.execute("SELECT name FROM llm_federations()").fetchall():
            self.owner.execute("SELECT llm_revoke_federation(%s)", (name,))
        self.tap.clear()

    def board(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.cluster.port,
            dbname="hospital",
            user="board",
            password=PASSWORD,
            autocommit=True,
        )

    def spent(self) -> int:
        return value(self.owner, "SELECT rounds_spent FROM llm_federations() WHERE name = 'triage'")


@pytest.fixture(scope="module")
def _hospitals(cluster: Cluster) -> Iterator[list[Hospital]]:
    with ExitStack() as stack:
        made = []
        for seed, name in enumerate(("north", "south", "east"), 1):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pg_llm-", dir=cluster.folder.parent))
            own = stack.enter_context(Cluster(folder, settings=TEST_SETTINGS))
            own.sql("CREATE DATABASE hospital")
            own.sql(f"CREATE ROLE board LOGIN PASSWORD '{PASSWORD}'")
            install(own.host, own.port, "postgres", "hospital", None)
            owner = stack.enter_context(psycopg.connect(own.dsn("hospital"), autocommit=True))
            owner.execute(f"CREATE TABLE {CANARY}_visit (note text, ward text)")
            with owner.cursor().copy(f"COPY {CANARY}_visit FROM STDIN") as rows:
                # None has seen all wards equally, and one has none of the third.
                for row in notes(seed, ROWS, LABELS[: 2 + (seed > 1)]):
                    rows.write_row(row)
            made.append(Hospital(name, own, stack.enter_context(Wiretap(own.port)), owner))
        yield made


@pytest.fixture
def hospitals(_hospitals: list[Hospital]) -> Iterator[list[Hospital]]:
    yield _hospitals
    for hospital in _hospitals:
        hospital.forget()


@pytest.fixture
def agreed(hospitals: list[Hospital]) -> list[Hospital]:
    for hospital in hospitals:
        hospital.agree()
    return hospitals


def add_server(db: psycopg.Connection, name: str, port: int, dbname: str = "hospital") -> None:
    db.execute(
        f"CREATE SERVER {name} FOREIGN DATA WRAPPER dblink_fdw"
        f" OPTIONS (host '127.0.0.1', port '{port}', dbname '{dbname}', sslmode 'disable')"
    )
    db.execute(f"CREATE USER MAPPING FOR PUBLIC SERVER {name} OPTIONS (user 'board', password '{PASSWORD}')")


@pytest.fixture
def board(db: psycopg.Connection, hospitals: list[Hospital]) -> psycopg.Connection:
    """The coordinator's database, which has no rows of its own."""
    db.execute("CREATE EXTENSION dblink")
    for hospital in hospitals:
        add_server(db, hospital.name, hospital.tap.port)
    return db


FEDERATE = "SELECT llm_federate('triage', '{north,south,east}', rounds => %s)"


def test_three_clusters_learn_what_none_of_them_tells(board: psycopg.Connection, agreed: list[Hospital]) -> None:
    told = value(board, FEDERATE, 12)
    assert [peer["peer"] for peer in told["peers"]] == ["north", "south", "east"]
    assert all((peer["rows"], peer["rounds"], peer["left_out"]) == (ROWS, 12, None) for peer in told["peers"])
    assert told["training_rows"] + told["validation_rows"] == 3 * ROWS
    assert told["micro_f1"] == 1
    unseen = notes(9, 60)
    answers = [value(board, "SELECT llm_classify(%s, model => 'triage')", text) for text, _ in unseen]
    assert sum(answer == ward for answer, (_, ward) in zip(answers, unseen, strict=True)) >= 57
    # It is a head as others are.
    assert value(board, "SELECT labels FROM llm_models WHERE name = 'triage'") == LABELS
    method, rows, metrics = board.execute(
        "SELECT method, rows, metrics FROM llm_runs WHERE model = 'triage'"
    ).fetchone()
    assert (method, rows, metrics["micro_f1"]) == ("federated", 3 * ROWS, 1)
    assert [hospital.spent() for hospital in agreed] == [12, 12, 12]
    # No text, no name of a table or column, no query has crossed the line, in whatever form it may be written.
    for hospital in agreed:
        assert hospital.tap.sent.count(b"llm_federated_update") == 12
        assert len(hospital.tap.received) > 12 * 8 * 3 * 385
        for passed in (hospital.tap.sent, hospital.tap.received):
            assert not found(bytes(passed), [CANARY, "chest pain", "racing heart", "itching", "wrist", "visit", "note"])


def found(passed: bytes, words: list[str]) -> list[str]:
    """The words that are there as they stand, in hexadecimal digits, or in base64 at any of its three offsets."""
    decoded = [passed.lower()]
    for text in re.findall(rb"[A-Za-z0-9+/\n]{16,}", passed):
        for start in range(4):
            cut = text.replace(b"\n", b"")[start:]
            decoded.append(base64.b64decode(cut[: len(cut) // 4 * 4]).lower())
    decoded += [
        bytes.fromhex(text[: len(text) // 2 * 2].decode()).lower() for text in re.findall(rb"[0-9a-f]{8,}", passed)
    ]
    return [word for word in words if any(word.lower().encode() in each for each in decoded)]


def test_what_searches_for_words_finds_them() -> None:
    for encoded in (
        CANARY.encode(),
        base64.b64encode(b"....." * 3 + CANARY.encode() + b"." * 9),
        CANARY.encode().hex().encode(),
    ):
        assert found(b"\x00\x01" + encoded + b"\x00", [CANARY]) == [CANARY]


def test_the_model_is_the_one_of_all_rows_in_one_place(board: psycopg.Connection, agreed: list[Hospital]) -> None:
    """The same classifier as training on the pooled rows gives, though no peer has seen all wards alike."""
    value(board, FEDERATE, 30)
    board.execute("CREATE TABLE pooled (note text, ward text)")
    with board.cursor().copy("COPY pooled FROM STDIN") as rows:
        for row in itertools.chain.from_iterable(
            hospital.owner.execute(f"TABLE {CANARY}_visit").fetchall() for hospital in agreed
        ):
            rows.write_row(row)
    board.execute("SELECT llm_fit('pooled', 'classify', 'SELECT note, ward FROM pooled')")
    for text, _ in notes(11, 40):
        call = "SELECT llm_classify(%s, model => %s)"
        assert value(board, call, text, "triage") == value(board, call, text, "pooled")


def test_the_model_is_carried_to_a_peer(board: psycopg.Connection, agreed: list[Hospital]) -> None:
    value(board, FEDERATE, 6)
    files = "SELECT f.* FROM llm.model_file AS f JOIN llm.model AS m USING (digest) WHERE m.name = 'triage'"
    for table, query in (("model", "SELECT * FROM llm.model WHERE name = 'triage'"), ("model_file", files)):
        with board.cursor().copy(f"COPY ({query}) TO STDOUT") as read:
            rows = b"".join(read)
        with agreed[1].owner.cursor().copy(f"COPY llm.{table} FROM STDIN") as written:
            written.write(rows)
    classify = "SELECT llm_classify('An itching rash.', model => 'triage')"
    assert value(agreed[1].owner, classify) == value(board, classify)
    agreed[1].owner.execute("SELECT llm_drop_model('triage')")


def test_several_labels_a_row(board: psycopg.Connection, hospitals: list[Hospital]) -> None:
    query = (
        f"SELECT note, CASE ward WHEN 'cardiology' THEN ARRAY[ward, 'urgent'] ELSE ARRAY[ward] END FROM {CANARY}_visit"
    )
    for hospital in hospitals:
        hospital.agree(query=query, task="tag", labels=[*LABELS, "urgent"])
    told = value(board, FEDERATE, 15)
    assert told["micro_f1"] > 0.9
    assert value(board, "SELECT llm_tag('She has chest pain.', model => 'triage')") == ["cardiology", "urgent"]


def test_the_median_needs_no_trust_in_counts(board: psycopg.Connection, agreed: list[Hospital]) -> None:
    told = value(board, "SELECT llm_federate('triage', '{north,south,east}', rounds => 20, method => 'median')")
    assert told["micro_f1"] > 0.9


def test_who_drops_out_is_named_and_the_others_go_on(board: psycopg.Connection, agreed: list[Hospital]) -> None:
    agreed[1].tap.cut_at = 4
    told = value(board, FEDERATE, 12)
    peers = {peer["peer"]: peer for peer in told["peers"]}
    assert peers["south"]["left_out"]
    assert peers["south"]["rounds"] == 3
    assert peers["north"]["left_out"] is peers["east"]["left_out"] is None
    assert told["training_rows"] + told["validation_rows"] == 2 * ROWS
    assert value(board, "SELECT llm_classify('An itching rash.', model => 'triage')") == "dermatology"


def test_too_few_peers_leave_nothing(board: psycopg.Connection, agreed: list[Hospital]) -> None:
    agreed[0].tap.cut_at = agreed[1].tap.cut_at = 2
    with pytest.raises(errors.InvalidParameterValue, match="1 of 3 peers are left, and 2 are needed"):
        board.execute(FEDERATE, (20,))
    assert value(board, "SELECT count(*) FROM llm_models WHERE name = 'triage'") == 0
    assert value(board, "SELECT count(*) FROM llm.model_file") == 0
    assert value(board, "SELECT dblink_get_connections()") is None


def lie(hospital: Hospital, values: list[float]) -> None:
    packed = struct.pack(f"<{len(values)}d", *values).hex()
    tell(hospital, f"decode('{packed}', 'hex')")


def tell(hospital: Hospital, expression: str) -> None:
    hospital.owner.execute(
        "CREATE OR REPLACE FUNCTION llm_federated_update(name text, weights bytea,"
        " nonce text DEFAULT NULL) RETURNS bytea LANGUAGE sql"
        f" AS $$ SELECT {expression} $$"
    )


@pytest.fixture
def liar(agreed: list[Hospital]) -> Iterator[Hospital]:
    """A peer whose superuser has put something of its own in the place of the function."""
    hospital = agreed[2]
    body = value(hospital.owner, "SELECT pg_get_functiondef('llm_federated_update'::regproc)")
    yield hospital
    hospital.owner.execute(body)


GRADIENT = [0.0] * (385 * 3)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([float("nan"), *GRADIENT[1:], 1, 40, 0, 0, 0, 0], "not finite"),
        ([float("inf"), *GRADIENT[1:], 1, 40, 0, 0, 0, 0], "not finite"),
        ([1e9, *GRADIENT[1:], 1, 40, 0, 0, 0, 0], "longer than that of so many rows can be"),
        ([81.0, *GRADIENT[1:], 1, 40, 0, 0, 0, 0], "longer than that of so many rows can be"),
        ([*GRADIENT, 1, 0, 0, 0, 0, 0], "no numbers of rows"),
        ([*GRADIENT, 1, -5, 0, 0, 0, 0], "no numbers of rows"),
        ([*GRADIENT, 1, 1e300, 0, 0, 0, 0], "no numbers of rows"),
        ([*GRADIENT, 1, 2.5, 0, 0, 0, 0], "no numbers of rows"),
        ([*GRADIENT, 1, 40, 10, 10, 5, 5], "contradict"),
        ([*GRADIENT, -1, 40, 0, 0, 0, 0], "contradict"),
        ([*GRADIENT, 1, 40], "another shape"),
        ([0.0] * 10_000, "another shape"),
        ([], "another shape"),
    ],
)
def test_who_lies_is_named_and_left_out(
    board: psycopg.Connection, agreed: list[Hospital], liar: Hospital, values: list[float], reason: str
) -> None:
    lie(liar, values)
    told = value(board, FEDERATE, 3)
    assert reason in told["peers"][2]["left_out"]
    assert [peer["left_out"] for peer in told["peers"][:2]] == [None, None]
    assert told["training_rows"] + told["validation_rows"] == 2 * ROWS


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("NULL::bytea", "instead of an answer"),
        ("decode((1 / (length(weights) - length(weights)))::text, 'hex')", "division by zero"),
        ("decode(repeat('00', 1000000), 'hex')", "another shape"),
    ],
)
def test_who_fails_is_named_and_left_out(
    board: psycopg.Connection, liar: Hospital, expression: str, reason: str
) -> None:
    tell(liar, expression)
    assert reason in value(board, FEDERATE, 3)["peers"][2]["left_out"]


def test_a_slow_peer_is_left_out(board: psycopg.Connection, liar: Hospital) -> None:
    tell(liar, "decode(pg_sleep(60)::text, 'hex')")
    started = time.monotonic()
    call = "SELECT llm_federate('triage', '{north,south,east}', rounds => 3, options => '{\"timeout\": 3}')"
    assert "within 3 seconds" in value(board, call)["peers"][2]["left_out"]
    assert time.monotonic() - started < 40


def test_a_cancel_ends_it_everywhere(board: psycopg.Connection, liar: Hospital, connect: Connect) -> None:
    tell(liar, "decode(pg_sleep(60)::text, 'hex')")
    pid = board.info.backend_pid
    threading.Timer(3, lambda: connect().execute("SELECT pg_cancel_backend(%s)", (pid,))).start()
    started = time.monotonic()
    with pytest.raises(errors.QueryCanceled):
        board.execute(FEDERATE, (20,))
    assert time.monotonic() - started < 10
    assert value(board, "SELECT dblink_get_connections()") is None
    # What the peer did for it ends too.
    busy = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'board' AND state = 'active'"
    until = time.monotonic() + 15
    while value(liar.owner, busy) and time.monotonic() < until:
        time.sleep(0.2)
    assert not value(liar.owner, busy)


def test_all_have_agreed_on_the_same(board: psycopg.Connection, hospitals: list[Hospital]) -> None:
    for hospital in hospitals[:2]:
        hospital.agree()
    hospitals[2].agree(labels=[*LABELS, "neurology"])
    with pytest.raises(errors.InvalidParameterValue, match='"north" and "east" have not agreed on the same labels'):
        board.execute(FEDERATE, (5,))
    hospitals[2].forget()
    hospitals[2].agree(options=json.dumps({"epsilon": 1}))
    with pytest.raises(errors.InvalidParameterValue, match="the same epsilon"):
        board.execute(FEDERATE, (5,))
    hospitals[2].forget()
    # Nothing was agreed on there.
    told = value(board, FEDERATE, 5)
    assert told["peers"][2]["left_out"] == "gave 0 rows instead of an answer"


def test_who_describes_no_agreement_is_left_out(board: psycopg.Connection, agreed: list[Hospital]) -> None:
    owner = agreed[0].owner
    body = value(owner, "SELECT pg_get_functiondef('llm_federations'::regproc)")
    head = body.split("LANGUAGE")[0]
    owner.execute(
        f"{head} LANGUAGE sql AS $$ SELECT 'triage', 'a', 'b', 'classify', '{{a}}'::text[], 'c', 'd', 1, 1,"
        " '{}'::jsonb, 'e', NULL::text[], 'f' $$"
    )
    try:
        told = value(board, FEDERATE, 3)
    finally:
        owner.execute(body)
    assert "in a way that is not understood" in told["peers"][0]["left_out"]


def test_another_model_is_refused(board: psycopg.Connection, agreed: list[Hospital]) -> None:
    board.execute("UPDATE llm.model SET digest = repeat('0', 64) WHERE name LIKE 'all-minilm%'")
    with pytest.raises(errors.InvalidParameterValue, match="have agreed on another model than"):
        board.execute(FEDERATE, (5,))


def test_a_peer_whose_model_changed_gives_nothing(agreed: list[Hospital]) -> None:
    owner = agreed[0].owner
    owner.execute("BEGIN; UPDATE llm.model SET digest = repeat('0', 64) WHERE name LIKE 'all-minilm%'")
    with pytest.raises(errors.InvalidParameterValue, match="is another one than when the agreement"):
        owner.execute("SELECT llm_federated_update('triage', %s)", (bytes(8 * 385 * 3),))
    owner.execute("ROLLBACK")


def test_rounds_are_spent_for_good(hospitals: list[Hospital]) -> None:
    """A coordinator who asks for ten thousand rounds has those of the agreement, whatever it rolls back."""
    hospitals[0].agree(rounds=5)
    asked = "SELECT llm_federated_update('triage', %s)"
    weights = bytes(8 * 385 * 3)
    with hospitals[0].board() as session:
        for _ in range(2):
            session.execute("BEGIN")
            session.execute(asked, (weights,))
            session.execute("ROLLBACK")
        session.execute(
            "DO $$ BEGIN PERFORM llm_federated_update('triage', decode(repeat('00', 9240), 'hex'));"
            " RAISE 'x'; EXCEPTION WHEN OTHERS THEN END $$"
        )
    assert hospitals[0].spent() == 3
    refused: list[Exception] = []

    def ask() -> None:
        with hospitals[0].board() as session:
            try:
                session.execute(asked, (weights,))
            except psycopg.Error as error:
                refused.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hospitals[0].spent() == 5
    assert len(refused) == 6
    assert all(isinstance(error, errors.ConfigurationLimitExceeded) for error in refused)


def test_what_is_no_table_of_weights_costs_no_round(agreed: list[Hospital]) -> None:
    with agreed[0].board() as session:
        for weights in (
            b"",
            b"\x00" * 7,
            bytes(8),
            struct.pack("<1155d", *[float("nan")] * 1155),
            struct.pack("<1155d", *[1e300] * 1155),
        ):
            with pytest.raises(errors.InvalidParameterValue, match="weights are 1155 finite numbers"):
                session.execute("SELECT llm_federated_update('triage', %s)", (weights,))
        with pytest.raises(errors.InvalidParameterValue, match="must not be NULL"):
            session.execute("SELECT llm_federated_update('triage', NULL)")
    assert agreed[0].spent() == 0


def test_who_has_no_agreement_has_nothing(agreed: list[Hospital]) -> None:
    owner = agreed[0].owner
    owner.execute("CREATE ROLE stranger")
    owner.execute("SET ROLE stranger")
    weights = bytes(8 * 385 * 3)
    for call in ("llm_federated_update('triage', %s)", "llm_federated_update('nothing', %s)"):
        with pytest.raises(errors.UndefinedObject, match="for you"):
            owner.execute(f"SELECT {call}", (weights,))
    with pytest.raises(errors.UndefinedObject):
        owner.execute("SELECT llm_revoke_federation('triage')")
    assert owner.execute("SELECT * FROM llm_federations()").fetchall() == []
    for statement in ("TABLE llm.federation", "UPDATE llm.federation SET rounds = 10000", "DELETE FROM llm.federation"):
        with pytest.raises(errors.InsufficientPrivilege):
            owner.execute(statement)
    owner.execute("RESET ROLE; DROP ROLE stranger")


def test_the_board_may_ask_and_nothing_else(agreed: list[Hospital]) -> None:
    with agreed[0].board() as session:
        shown = session.execute(
            "SELECT name, owner, role, task, labels, rounds, query FROM llm_federations()"
        ).fetchall()
        assert shown == [("triage", "postgres", "board", "classify", LABELS, 50, None)]
        with pytest.raises(errors.UndefinedObject):
            session.execute("SELECT llm_revoke_federation('triage')")
        for statement in (f"TABLE {CANARY}_visit", "TABLE llm.federation"):
            with pytest.raises(errors.InsufficientPrivilege):
                session.execute(statement)
    assert (
        value(agreed[0].owner, "SELECT query FROM llm_federations()")
        == f"SELECT note, ward FROM public.{CANARY.lower()}_visit"
    )
    agreed[0].owner.execute("SELECT llm_revoke_federation('triage')")
    with agreed[0].board() as session, pytest.raises(errors.UndefinedObject):
        session.execute("SELECT llm_federated_update('triage', %s)", (bytes(8 * 385 * 3),))


def test_no_error_of_a_row_travels(hospitals: list[Hospital]) -> None:
    owner = hospitals[0].owner
    owner.execute(f"CREATE TABLE odd AS SELECT note, ward FROM {CANARY}_visit")
    hospitals[0].agree("odd", "SELECT note, ward FROM odd")
    hospitals[0].agree("cast", "SELECT note, CASE WHEN ward = 'x' THEN note::int::text ELSE ward END FROM odd")
    owner.execute(f"INSERT INTO odd VALUES ('{CANARY}', '{CANARY}'), ('{CANARY}', 'x')")
    weights = bytes(8 * 385 * 3)
    with hospitals[0].board() as session:
        for name in ("odd", "cast"):
            with pytest.raises(errors.InvalidParameterValue, match="cannot be read") as refused:
                session.execute("SELECT llm_federated_update(%s, %s)", (name, weights))
            told = refused.value.diag
            assert (
                CANARY.lower()
                not in f"{told.message_primary}{told.message_detail}{told.message_hint}{told.context}".lower()
            )
    with pytest.raises(errors.InvalidTextRepresentation):
        owner.execute("SELECT llm_federated_update('cast', %s)", (weights,))
    with pytest.raises(errors.InvalidParameterValue, match="a label that was not agreed on"):
        owner.execute("SELECT llm_federated_update('odd', %s)", (weights,))
    owner.execute("DROP TABLE odd")
    with hospitals[0].board() as session, pytest.raises(errors.InvalidParameterValue, match="cannot be read"):
        session.execute("SELECT llm_federated_update('odd', %s)", (weights,))


def test_the_session_that_asks_decides_nothing_about_the_query(hospitals: list[Hospital]) -> None:
    """Neither which rows it has, nor is it shown the query, as the server prints statements for whoever sends them."""
    north = hospitals[0]
    north.owner.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'")
    north.owner.execute(
        "CREATE TABLE timed AS SELECT note || n AS note, ward,"
        " timestamptz '2026-01-01 00:00+00' + n * interval '2 hours' AS at"
        f" FROM {CANARY}_visit, generate_series(-20, 20) AS n WHERE note LIKE '%1-1 %'"
    )
    conditions = ("at::date < '2026-01-02'", "at < '01/02/2026'", "at < '2026-01-01 12:00 EST'")
    for number, condition in enumerate(conditions):
        north.agree(f"timed_{number}", f"SELECT note, ward FROM timed WHERE {condition}", options='{"validation": 0}')
    weights = bytes(8 * 385 * len(LABELS))
    counts: list[set[float]] = [set() for _ in conditions]
    printed: list[str] = []
    shown = "SET client_min_messages = log; SET debug_print_parse = on; SET debug_print_plan = on"
    with north.board() as board:
        board.add_notice_handler(lambda notice: printed.append(str(notice.message_detail)))
        for settings in (
            "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'",
            "SET TimeZone = '+12'",
            "SET DateStyle = 'ISO, DMY'",
            "SET timezone_abbreviations = 'Australia'",
            shown,
        ):
            board.execute(settings)
            for number, found in enumerate(counts):
                sums = value(board, "SELECT llm_federated_update(%s, %s)", f"timed_{number}", weights)
                found.add(struct.unpack("<d", sums[len(weights) + 8 : len(weights) + 16])[0])
    north.owner.execute("DROP TABLE timed; RESET TimeZone; RESET DateStyle")
    assert [len(found) for found in counts] == [1, 1, 1]
    assert printed
    assert not [text for text in printed if ":aliasname timed" in text]


def test_rows_are_read_with_the_owners_rights(hospitals: list[Hospital]) -> None:
    owner = hospitals[0].owner
    owner.execute(f"CREATE ROLE archivist; GRANT SELECT ON {CANARY}_visit TO archivist; SET ROLE archivist")
    hospitals[0].agree()
    weights = bytes(8 * 385 * 3)
    owner.execute("RESET ROLE")
    with hospitals[0].board() as session:
        session.execute("SELECT llm_federated_update('triage', %s)", (weights,))
        # What the session is set to changes nothing of what the query means.
        session.execute("SET standard_conforming_strings = off; SET search_path = pg_temp; SET row_security = off")
        session.execute("CREATE TEMP TABLE xylophonia_visit (note text, ward text)")
        session.execute("SELECT public.llm_federated_update('triage', %s)", (weights,))
    owner.execute(f"REVOKE SELECT ON {CANARY}_visit FROM archivist")
    with hospitals[0].board() as session, pytest.raises(errors.InvalidParameterValue, match="cannot be read"):
        session.execute("SELECT llm_federated_update('triage', %s)", (weights,))
    hospitals[0].forget()
    owner.execute("DROP OWNED BY archivist; DROP ROLE archivist")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT note, mine(ward) FROM {t}", "mine"),
        ("DELETE FROM {t} RETURNING note, ward", "SELECT"),
        ("SELECT note, ward FROM {t}; SELECT 1", "one SELECT"),
        ("SELECT note FROM {t}", "has 1 columns"),
        ("SELECT note, ward FROM {t} LIMIT 3", "yields 3 rows"),
        ("SELECT note, ward FROM {t} WHERE false", "yields no rows"),
        ("SELECT note, NULL::text FROM {t}", "has no label"),
        ("SELECT note, 'other' FROM {t}", "not agreed on"),
        ("SELECT note, ward FROM nowhere", "no table nowhere"),
        ("SELECT note, ward FROM {t}, pg_sleep(0)", "RangeFunction"),
    ],
)
def test_an_agreement_is_checked_when_it_is_made(hospitals: list[Hospital], query: str, message: str) -> None:
    owner = hospitals[0].owner
    owner.execute("CREATE OR REPLACE FUNCTION mine(a text) RETURNS text LANGUAGE sql AS 'SELECT a'")
    with pytest.raises(errors.InvalidParameterValue, match=re.escape(message)):
        hospitals[0].agree(query=query.format(t=f"{CANARY}_visit"))
    assert owner.execute("SELECT * FROM llm_federations()").fetchall() == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"labels": ["cardiology"]}, "labels are 2 to 1000, and these are 1"),
        ({"labels": None}, "must not be NULL"),
        ({"rounds": 0}, "rounds must lie between 1 and 10000"),
        ({"rounds": 100_000}, "rounds must lie between 1 and 10000"),
        ({"task": "entities"}, "invalid task"),
        ({"base": "en-core-web-sm"}, "embedding is needed"),
        ({"options": '{"epsilon": -1}'}, "epsilon"),
        ({"options": '{"epsilon": 1e-300}'}, 'invalid value for option "epsilon": 1e-300'),
        ({"options": '{"anything": 1}'}, "unknown option"),
    ],
)
def test_what_cannot_be_agreed_on(hospitals: list[Hospital], given: dict[str, object], message: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=message):
        hospitals[0].agree(**given)


def test_an_agreement_is_not_replaced(hospitals: list[Hospital]) -> None:
    hospitals[0].agree()
    with pytest.raises(errors.DuplicateObject):
        hospitals[0].agree()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("llm_federate('x', '{north}')", errors.InvalidParameterValue, "2 to 100 foreign servers"),
        ("llm_federate('x', NULL)", errors.InvalidParameterValue, "2 to 100 foreign servers"),
        ("llm_federate('x', '{north,north}')", errors.InvalidParameterValue, "each once"),
        ("llm_federate('x', '{north,NULL}')", errors.InvalidParameterValue, "each once"),
        ("llm_federate('x', '{north,nowhere}')", errors.InvalidParameterValue, 'no foreign server "nowhere"'),
        ("llm_federate('x', '{north,host=127.0.0.1}')", errors.InvalidParameterValue, "no foreign server"),
        ("llm_federate('x', '{north,south}', method => 'sum')", errors.InvalidParameterValue, "invalid method"),
        ("llm_federate('x', '{north,south}', rounds => 1)", errors.InvalidParameterValue, "rounds must lie"),
        ("llm_federate('lac', '{north,south}')", errors.DuplicateObject, "already registered"),
        ("llm_federate(NULL, '{north,south}')", errors.InvalidParameterValue, "must not be NULL"),
        ("llm_federate('x', '{north,south}', base => 'lac')", errors.InvalidParameterValue, "embedding is needed"),
    ],
)
def test_what_cannot_be_federated(
    board: psycopg.Connection, call: str, error: type[psycopg.Error], message: str
) -> None:
    with pytest.raises(error, match=message):
        board.execute(f"SELECT {call}")


def test_who_may_federate(board: psycopg.Connection, agreed: list[Hospital], role: str, connect: Connect) -> None:
    with connect(role) as clerk:
        with pytest.raises(errors.InsufficientPrivilege, match="to train a model"):
            clerk.execute(FEDERATE, (5,))
        board.execute(f"GRANT INSERT ON llm.model, llm.run TO {role}")
        with pytest.raises(errors.InsufficientPrivilege, match='foreign server "north"'):
            clerk.execute(FEDERATE, (5,))
        board.execute(f"GRANT USAGE ON FOREIGN SERVER north, south, east TO {role}")
        assert value(clerk, FEDERATE, 5)["model"] == "triage"


def test_without_dblink_it_says_what_is_missing(db: psycopg.Connection) -> None:
    db.execute("CREATE EXTENSION postgres_fdw; CREATE SERVER a FOREIGN DATA WRAPPER postgres_fdw")
    db.execute("CREATE SERVER b FOREIGN DATA WRAPPER postgres_fdw")
    with pytest.raises(errors.FeatureNotSupported, match="dblink"):
        db.execute("SELECT llm_federate('x', '{a,b}')")


def test_noise_hides_rows_and_is_new_each_time(hospitals: list[Hospital]) -> None:
    options = json.dumps({"epsilon": 2, "delta": 1e-5})
    hospitals[0].agree(rounds=8, options=options)
    weights = bytes(8 * 385 * 3)
    with hospitals[0].board() as session:
        told = [
            struct.unpack("<1161d", value(session, "SELECT llm_federated_update('triage', %s)", weights))
            for _ in range(8)
        ]
        with pytest.raises(errors.ConfigurationLimitExceeded):
            session.execute("SELECT llm_federated_update('triage', %s)", (weights,))
    # Nothing is told beside the noisy gradient but the number of rows.
    assert all(each[-6:] == (0, ROWS, 0, 0, 0, 0) for each in told)
    differences = [
        (a - b) / 2**0.5 for one, other in itertools.pairwise(told) for a, b in zip(one[:-6], other[:-6], strict=True)
    ]
    deviation = (sum(d * d for d in differences) / len(differences)) ** 0.5
    # rho of all rounds: (sqrt(ln 1e5 + 2) - sqrt(ln 1e5))^2 = 0.0802; of one 0.01003; 2 / sqrt(2 rho) = 14.12.
    assert 14.12 * 0.97 < deviation < 14.12 * 1.03


def test_learning_with_noise(board: psycopg.Connection, hospitals: list[Hospital]) -> None:
    for hospital in hospitals:
        hospital.agree(rounds=30, options=json.dumps({"epsilon": 100, "delta": 0.01}))
    told = value(board, FEDERATE, 30)
    assert "micro_f1" not in told
    right = [value(board, "SELECT llm_classify(%s, model => 'triage')", text) == ward for text, ward in notes(9, 60)]
    assert sum(right) >= 45


def test_a_lie_in_noise_is_found_too(board: psycopg.Connection, hospitals: list[Hospital], liar: Hospital) -> None:
    for hospital in hospitals:
        hospital.forget()
        hospital.agree(rounds=30, options=json.dumps({"epsilon": 100, "delta": 0.01}))
    lie(liar, [1e4, *GRADIENT[1:], 0, 40, 0, 0, 0, 0])
    assert "longer" in value(board, FEDERATE, 5)["peers"][2]["left_out"]


@pytest.fixture
def paired(board: psycopg.Connection, agreed: list[Hospital]) -> Iterator[list[Hospital]]:
    """Four peers, one of them in a second database of a cluster, that know each other's keys."""
    first = agreed[0]
    first.cluster.sql("CREATE DATABASE west")
    install(first.cluster.host, first.cluster.port, "postgres", "west", None)
    with psycopg.connect(first.cluster.dsn("west"), autocommit=True) as owner, Wiretap(first.cluster.port) as tap:
        owner.execute(f"CREATE TABLE {CANARY}_visit (note text, ward text)")
        with owner.cursor().copy(f"COPY {CANARY}_visit FROM STDIN") as rows:
            for row in notes(4, ROWS):
                rows.write_row(row)
        west = Hospital("west", first.cluster, tap, owner)
        west.agree()
        add_server(board, "west", tap.port, "west")
        everyone = [*agreed, west]
        keys = [value(hospital.owner, "SELECT key FROM llm_federations()") for hospital in everyone]
        for hospital, own in zip(everyone, keys, strict=True):
            others = [key for key in keys if key != own]
            hospital.owner.execute("SELECT llm_pair_federation('triage', %s)", (others,))
        yield everyone
    first.cluster.sql("DROP DATABASE west WITH (FORCE)")


SECURE = "SELECT llm_federate('triage', '{north,south,east,west}', rounds => %s, method => 'secure')"


def test_the_coordinator_learns_sums_only(board: psycopg.Connection, paired: list[Hospital]) -> None:
    told = value(board, SECURE, 12)
    assert told["micro_f1"] == 1
    assert told["training_rows"] + told["validation_rows"] == 4 * ROWS
    assert [peer["rows"] for peer in told["peers"]] == [None] * 4
    assert value(board, "SELECT llm_classify('An itching rash.', model => 'triage')") == "dermatology"
    # Nothing is told without masks any more, and what is told is noise by itself.
    weights = bytes(8 * 385 * 3)
    ask = "SELECT llm_federated_update('triage', %s, %s)"
    with paired[0].board() as session:
        first = value(session, ask, weights, "one")
        assert abs(sum(byte.bit_count() for byte in first) / len(first) / 8 - 0.5) < 0.01
        # A nonce serves once, whatever becomes of its transaction; another one has other masks.
        session.execute("BEGIN")
        second = value(session, ask, weights, "two")
        session.execute("ROLLBACK")
        assert sum(one == other for one, other in zip(first, second, strict=True)) < 100
        for nonce in ("one", "two"):
            with pytest.raises(errors.InvalidParameterValue, match="has served before"):
                session.execute(ask, (weights, nonce))
        for nonce in (None, "", "x" * 101):
            with pytest.raises(errors.InvalidParameterValue, match="takes a nonce"):
                session.execute(ask, (weights, nonce))


def test_without_one_of_all_nothing_is_learnt(board: psycopg.Connection, paired: list[Hospital]) -> None:
    """The sum with a peer less the sum without it would be the peer's own: there is none without it."""
    paired[1].tap.cut_at = 3
    with pytest.raises(errors.InvalidParameterValue, match='and "south" is left out'):
        board.execute(SECURE, (8,))
    for fewer in ("{north,south,east}", "{north,east}"):
        paired[1].tap.cut_at = None
        with pytest.raises(errors.InvalidParameterValue, match='"north" is not paired with all others, or with more'):
            board.execute("SELECT llm_federate('triage', %s, method => 'secure')", (fewer,))
    for hospital, asked in zip(paired, (3, 2, 3, 3), strict=True):
        assert hospital.spent() in (asked, asked + 1)
    assert value(board, "SELECT count(*) FROM llm_models WHERE name = 'triage'") == 0


def test_who_lies_behind_masks_spoils_the_sum(
    board: psycopg.Connection, paired: list[Hospital], liar: Hospital
) -> None:
    lie(liar, [1.0] * (385 * 3 + 6))
    with pytest.raises(errors.InvalidParameterValue, match="add up to what no rows give"):
        board.execute(SECURE, (10,))
    tell(liar, "'\\x00'::bytea")
    with pytest.raises(errors.InvalidParameterValue, match='"east" is left out: its gradient has another shape'):
        board.execute(SECURE, (10,))


def test_pairs_are_made_by_owners(board: psycopg.Connection, paired: list[Hospital]) -> None:
    own = value(paired[0].owner, "SELECT key FROM llm_federations()")
    other, third = value(paired[0].owner, "SELECT peer_keys[1:2] FROM llm_federations()")
    for keys in ([], [other], [other, other], [other, own], [other, None], [other, "x"], [other, other.upper()]):
        with pytest.raises(errors.InvalidParameterValue, match="peer_keys are the keys"):
            paired[0].owner.execute("SELECT llm_pair_federation('triage', %s::text[])", (keys,))
    with paired[0].board() as session, pytest.raises(errors.UndefinedObject):
        session.execute("SELECT llm_pair_federation('triage', %s)", ([other, third],))
    # A key that is on no curve point of use.
    paired[0].owner.execute("SELECT llm_pair_federation('triage', %s)", ([other, "0" * 64],))
    with pytest.raises(errors.InvalidParameterValue, match='"north" is not paired with'):
        board.execute(SECURE, (5,))
    with paired[0].board() as session, pytest.raises(errors.InvalidParameterValue, match="a key of a peer is none"):
        session.execute("SELECT llm_federated_update('triage', %s, 'n')", (bytes(8 * 385 * 3),))
    # Another agreement has another key, of the same name as well.
    paired[0].owner.execute("SELECT llm_revoke_federation('triage')")
    paired[0].agree()
    assert value(paired[0].owner, "SELECT key FROM llm_federations()") != own
    assert value(paired[0].owner, "SELECT peer_keys FROM llm_federations()") is None
