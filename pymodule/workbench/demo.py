"""The demo: a private server, a database of real public text, and demo.sql played on it.

`python -m workbench.demo` plays it from the start; `psql ARGS` after it opens psql on what it left, `worker ARGS` runs
a worker on it, and `stop` ends the server.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn

from workbench import documents
from workbench.cluster import Cluster, ClusterError

DATABASE: Final = "demo"
SCRIPT: Final = Path(__file__).with_name("demo.sql")


def play(cluster: Cluster, texts: Path) -> int:
    """Makes the demo database anew, runs demo.sql in view of the user, and returns psql's exit status."""
    if not texts.exists():
        _say("Text: reading what this distribution says of its packages (about 20 MB of package lists)")
        _say(f"      {documents.write(texts)} descriptions in {texts}")
    # Anew, so that the server and its model host run the package as it is now.
    cluster.stop()
    cluster.start()
    cluster.sql(f"DROP DATABASE IF EXISTS {DATABASE} (FORCE)")
    cluster.sql(f"CREATE DATABASE {DATABASE}")
    _say(f"Server: a private PostgreSQL in {cluster.folder}, database {DATABASE}")
    _say("Time: lines are psql's; the first call of each model loads it, and says so.\n")
    return subprocess.run(
        [*_psql(cluster), "-Xq", "--set", f"documents={texts}", "--file", str(SCRIPT)],
        env=cluster.environment(DATABASE),
        check=False,
    ).returncode


def psql(cluster: Cluster, arguments: list[str]) -> NoReturn:
    """Becomes psql on the demo database, with the server started if need be."""
    cluster.start()
    command = [*_psql(cluster), *arguments]
    os.execve(command[0], command, cluster.environment(DATABASE))  # noqa: S606 - no shell is wanted here


def worker(cluster: Cluster, arguments: list[str]) -> NoReturn:
    """Becomes a worker on the demo database, with the server started if need be."""
    cluster.start()
    command = [sys.executable, "-P", "-m", "pg_llm.worker", "--dsn", cluster.dsn(DATABASE), *arguments]
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted here


def main(command: str = "", *arguments: str) -> int:
    """Plays the demo, or serves the command given."""
    cluster = Cluster(os.environ["PG_LLM_DEMO"])
    match command:
        case "psql":
            psql(cluster, list(arguments))
        case "worker":
            worker(cluster, list(arguments))
        case "stop":
            cluster.stop()
            return 0
    status = play(cluster, Path(os.environ["PG_LLM_DOCUMENTS"]))
    if status == 0:
        _say("\nThe database stays: go on with  ./run psql   and end its server with  ./run stop")
        _say(f"Other clients: {cluster.url(DATABASE)}")
    return status


def _psql(cluster: Cluster) -> list[str]:
    return [str(cluster.stage / "bin" / "psql")]


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except ClusterError as error:
        sys.exit(f"pg_llm: {error}")
