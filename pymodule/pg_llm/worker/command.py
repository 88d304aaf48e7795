"""The command `pg_llm worker`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from pg_llm.worker import loop, metrics
from pg_llm.worker.streams.supervision import Supervisor

# Seconds that streams have to come to an end.
_PATIENCE = 1.5

_EPILOG = """
It does what CALL llm_work() does, whenever there is work. Several may run at once, on any machine; each does the work
of its role, which is that of the tables' owner or a member of it. SIGTERM or Ctrl-C ends it: what it was doing is left
to the next one.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command until it is told to end. Returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pg_llm")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    worker = commands.add_parser(
        "worker",
        help="does the work that waits in a database",
        epilog=_EPILOG,
    )
    worker.add_argument(
        "--dsn",
        default="",
        help="where the database is, as libpq takes it: 'host=… dbname=… user=…' or postgresql://…; PGHOST, PGDATABASE"
        " and so on say what it leaves out, and ~/.pgpass keeps the password",
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
