"""The command `pg_llm worker`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

import psycopg

from pg_llm.database.connection import DatabaseError
from pg_llm.errors import Error
from pg_llm.worker import bulk, loop, metrics, session
from pg_llm.worker.streams.supervision import Supervisor

# Seconds that streams have to come to an end.
_PATIENCE = 1.5

_EPILOG = """
It does what CALL llm_work() does, whenever there is work. Several may run at once, on any machine; each does the work
of its role, which is that of the tables' owner or a member of it. SIGTERM or Ctrl-C ends it: what it was doing is left
to the next one.
"""


_BULK_EPILOG = """
It logs in as the owner of the table, from each machine, and has no other rights. What was done when it ended is done;
the next call does the rest.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command until it has done its work or is told to end. Returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    return int(options.run(options))


def _work(options: argparse.Namespace) -> int:
    ending = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        # As Ctrl-C, on which psycopg cancels the query that is running; remembered, as an exception that comes while
        # Python clears something up is lost.
        ending.set()
        signal.default_int_handler(number, frame)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    figures = metrics.Figures()
    streams = Supervisor(options.dsn, options.poll, options.streams)
    try:
        if options.metrics_port is not None:
            metrics.serve(options.dsn, figures, options.metrics_port)
        streams.start()
        loop.run(options.dsn, options.poll, figures, ending)
    except KeyboardInterrupt:
        pass
    finally:
        streams.end(_PATIENCE)
    logging.getLogger(__name__).info("The worker ends.")
    return 0


def _bulk(options: argparse.Namespace) -> int:
    log = logging.getLogger(__name__)
    try:
        rows = bulk.fill(options.dsn, options.index, options.name, options.actors, options.address)
    except (Error, DatabaseError, psycopg.Error, session.NotInstalled) as error:
        log.error("ERROR: %s", error)
        if hint := getattr(error, "hint", None):
            log.error("HINT: %s", hint)
        return 1
    except KeyboardInterrupt:
        log.info("It ends; the next call goes on from here.")
        return 1
    log.info("The index is true: %d rows were read anew.", rows)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pg_llm")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    worker = commands.add_parser(
        "worker",
        help="does the work that waits in a database",
        epilog=_EPILOG,
    )
    worker.set_defaults(run=_work)
    bulk = commands.add_parser(
        "bulk",
        help="fills a semantic index by many machines, each with the model in itself",
        epilog=_BULK_EPILOG,
    )
    bulk.set_defaults(run=_bulk)
    for command in (worker, bulk):
        command.add_argument(
            "--dsn",
            default="",
            help="where the database is, as libpq takes it: 'host=… dbname=… user=…' or postgresql://…; PGHOST,"
            " PGDATABASE and so on say what it leaves out, and ~/.pgpass keeps the password",
        )
    bulk.add_argument("--index", required=True, metavar="TABLE", help="the table that has the index")
    bulk.add_argument("--name", help="the name of the index, where the table has several")
    bulk.add_argument(
        "--address",
        help="where the Ray cluster is, such as auto, HOST:6379 or ray://HOST:10001; without it one is started on this"
        " machine for as long as it takes",
    )
    bulk.add_argument(
        "--actors",
        type=_count,
        default=0,
        metavar="NUMBER",
        help="how many processes embed, each with all cores of its machine (default: one on each machine)",
    )
    worker.add_argument(
        "--poll",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="look for work at least so often; new work is usually told of at once (default: 1)",
    )
    worker.add_argument(
        "--streams",
        type=_count,
        default=30,
        metavar="NUMBER",
        help="read at most so many streams at once, each with a connection to the database (default: 30)",
    )
    worker.add_argument(
        "--metrics-port",
        type=int,
        metavar="PORT",
        help="show figures for Prometheus at http://127.0.0.1:PORT/metrics",
    )
    return parser


def _count(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 10_000:
        raise argparse.ArgumentTypeError("must lie between 0 and 10000")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.05 <= value <= 3600:
        raise argparse.ArgumentTypeError("must lie between 0.05 and 3600")
    return value
