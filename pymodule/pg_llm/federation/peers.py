"""Peers as the coordinator reaches them: foreign servers of PostgreSQL, asked through its own extension dblink.

Which addresses there are is decided by whoever may create servers, and who may use one by GRANT USAGE; TLS, user and
password are the server's and the user mapping's. All are asked at once, and who fails is left out from then on.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pg_llm import interrupts
from pg_llm.database.connection import Connection, DatabaseError
from pg_llm.database.quoting import quote_ident
from pg_llm.errors import InsufficientPrivilege, InvalidInput, NotSupported

# Seconds between two looks.
_PERIOD = 0.02
_MOST_CHARACTERS = 300
_SERVERS = """
    SELECT w.name, s.oid IS NOT NULL AS known, has_server_privilege(s.oid, 'USAGE') AS allowed
    FROM unnest($1::text[]) AS w (name) LEFT JOIN pg_foreign_server AS s ON s.srvname = w.name
"""
_EXTENSION = """
    SELECT n.nspname::text AS schema FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = $1
"""
# What a peer is asked first: where its functions are. Its work ends when nobody waits for it any more.
_HELLO = """
    SELECT pg_catalog.set_config('client_connection_check_interval', '2s', false), n.nspname
    FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_llm'
"""


@dataclass(slots=True)
class Peer:
    """One peer: its server's name, its connection, where its functions are, and why it was left out, if it was."""

    name: str
    connection: str
    schema: str = ""
    rounds: int = 0
    rows: int | None = None
    left_out: str | None = None

    def function(self, name: str) -> str:
        """The qualified name of a function of pg_llm there."""
        return f"{quote_ident(self.schema)}.{name}"


class Peers:
    """Connections to all peers that are left."""

    def __init__(self, db: Connection, schema: str, all_: list[Peer], timeout: float) -> None:
        self._db = db
        self._schema = quote_ident(schema)
        self._timeout = timeout
        self.all = all_

    @property
    def left(self) -> list[Peer]:
        """Those that were not left out."""
        return [peer for peer in self.all if peer.left_out is None]

    def ask(self, queries: dict[str, str]) -> dict[str, str]:
        """The answer of each peer that gives one: the first column of the one row of its query, as text."""
        waiting: list[Peer] = []
        for peer in self.left:
            with self._leaving_out(peer):
                self._call("dblink_send_query", peer, queries[peer.name])
                waiting.append(peer)
        answers: dict[str, str] = {}
        until = time.monotonic() + self._timeout
        while waiting:
            for peer in list(waiting):
                with self._leaving_out(peer):
                    if not self._call("dblink_is_busy", peer)[0]["value"]:
                        answers[peer.name] = self._result(peer)
                        waiting.remove(peer)
                if peer.left_out and peer in waiting:
                    waiting.remove(peer)
            if waiting and time.monotonic() > until:
                for peer in waiting:
                    self.leave_out(peer, f"did not answer within {self._timeout:g} seconds")
                waiting.clear()
            if waiting:
                time.sleep(_PERIOD)
            self._db.poll()
        return answers

    def leave_out(self, peer: Peer, reason: str) -> None:
        """Ask a peer no more."""
        peer.left_out = reason
        self._db.warning(f'peer "{peer.name}" is left out: {reason}')
        self._disconnect(peer)

    def open(self) -> None:
        """Connect to each. Those that cannot be reached or lack the extension are left out."""
        for peer in self.all:
            with self._leaving_out(peer):
                self._call("dblink_connect", peer, peer.name)
        hello = {peer.name: f"SELECT h.nspname FROM ({_HELLO}) AS h" for peer in self.left}
        for name, schema in self.ask(hello).items():
            next(peer for peer in self.all if peer.name == name).schema = schema

    def close(self) -> None:
        """Disconnect from all that are left."""
        for peer in self.left:
            self._disconnect(peer)

    def _disconnect(self, peer: Peer) -> None:
        with contextlib.suppress(DatabaseError), self._db.savepoint():
            self._call("dblink_disconnect", peer)

    def _result(self, peer: Peer) -> str:
        query = f"SELECT t.answer FROM {self._schema}.dblink_get_result($1) AS t (answer text)"
        rows = self._db.rows(query, ("text",), (peer.connection,))
        # Once more until nothing comes, or the connection takes no other query.
        self._db.rows(query, ("text",), (peer.connection,))
        if len(rows) != 1 or rows[0]["answer"] is None:
            raise DatabaseError(f"gave {len(rows)} rows instead of an answer", "22023")
        return str(rows[0]["answer"])

    def _call(self, function: str, peer: Peer, *more: str) -> list[dict[str, object]]:
        values = (peer.connection, *more)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        return self._db.rows(f"SELECT {self._schema}.{function}({places}) AS value", ("text",) * len(values), values)

    @contextlib.contextmanager
    def _leaving_out(self, peer: Peer) -> Iterator[None]:
        """Leave the peer out if what the block does with it fails."""
        try:
            with self._db.savepoint():
                yield
        except DatabaseError as error:
            self.leave_out(peer, _first_line(error))


@contextlib.contextmanager
def connected(db: Connection, names: Sequence[str], timeout: float) -> Iterator[Peers]:
    """Connections to these servers while the block runs. Raises where the caller may not use one of them."""
    _check(db, names)
    rows = db.rows(_EXTENSION, ("text",), ("dblink",))
    if not rows:
        raise NotSupported(
            "this needs PostgreSQL's extension dblink", hint="CREATE EXTENSION dblink; it is a part of contrib."
        )
    peers = Peers(db, rows[0]["schema"], [Peer(name, f"pg_llm_{secrets.token_hex(8)}") for name in names], timeout)
    try:
        peers.open()
        yield peers
    finally:
        with interrupts.deferred():
            peers.close()


def _check(db: Connection, names: Sequence[str]) -> None:
    """Raise unless each name is that of a server: dblink would take another text for an address."""
    for row in db.rows(_SERVERS, ("text[]",), (list(names),)):
        if not row["known"]:
            raise InvalidInput(
                f'there is no foreign server "{row["name"]}"',
                hint="CREATE SERVER … FOREIGN DATA WRAPPER dblink_fdw says where it is, CREATE USER MAPPING who asks.",
            )
        if not row["allowed"]:
            raise InsufficientPrivilege(
                f'permission denied for foreign server "{row["name"]}"', hint="It takes GRANT USAGE ON FOREIGN SERVER."
            )


def _first_line(error: DatabaseError) -> str:
    line = next(iter(str(error).strip().splitlines()), "it failed")
    return line.removeprefix("pg_llm: ")[:_MOST_CHARACTERS]
