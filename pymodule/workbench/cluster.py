"""A private PostgreSQL server in a folder of its own, which finds the staged extensions and touches no other server."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

from pg_llm.settings import ENCODER, SETTINGS

# Superuser of every private server, and the system user that runs it where the caller is root.
SUPERUSER: Final = "postgres"
SERVER_USER: Final = os.environ.get("SERVER_USER", "postgres") if os.geteuid() == 0 else None
# Nothing of the caller's own Python or PostgreSQL set-up reaches the server.
FOREIGN: Final = ("PG", "PYTHON", "VIRTUAL_ENV", "CONDA", "NOTIFY_SOCKET")
# Longest path of a Unix socket, less the file name of PostgreSQL's.
SOCKET_FOLDER_LENGTH: Final = 107 - len("/.s.PGSQL.65535.lock.12345")
TEST_SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "512MB",
    "max_prepared_transactions": "5",
    # The precision of the default encoder whose vectors, and what is printed of them, are the same everywhere.
    **{name: setting.default for name, setting in SETTINGS.items() if setting.default == ENCODER},
}


class ClusterError(Exception):
    """A program of PostgreSQL failed; the message holds what it printed and the end of the server's log."""


class Cluster:
    """One server: `folder` holds its data, log and socket (a temporary folder when None), `stage` the extensions.

    As root the server runs as the system user postgres. Only the owner of the folder, and root, can reach the socket,
    where every role is trusted; over TCP, on 127.0.0.1 only, roles need `password`.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        stage: Path | str | None = None,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="pg_llm-")) if folder is None else Path(folder).absolute()
        self.stage = Path(stage or os.environ["PG_LLM_STAGE"]).absolute()
        self.settings = dict(settings or {})
        self._port = port

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def host(self) -> str:
        """The folder of the Unix socket, which is what libpq takes as host."""
        inside = self.folder / "socket"
        if len(str(inside)) <= SOCKET_FOLDER_LENGTH:
            return str(inside)
        return f"/tmp/pg_llm-{self.folder.stat().st_ino}"  # noqa: S108 - made with mode 0700 before use

    @property
    def port(self) -> int:
        """The port of the running server, or the one it will be started on."""
        if self._port is None:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._port = int(probe.getsockname()[1])
        return self._port

    @property
    def password(self) -> str:
        """The superuser's password for connections over TCP."""
        return (self.folder / "password").read_text(encoding="ascii")

    @property
    def log(self) -> str:
        """All that the server has logged since it was made."""
        path = self.folder / "server.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def dsn(self, dbname: str = "postgres", user: str = SUPERUSER) -> str:
        """Connection string over the Unix socket."""
        return f"host={self.host} port={self.port} user={user} dbname={dbname}"

    def url(self, dbname: str = "postgres") -> str:
        """Connection URL over TCP, with the superuser's password in it."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{quote(dbname)}"

    def environment(self, dbname: str = "postgres") -> dict[str, str]:
        """Environment in which psql, pg_dump and their like reach this server; their folder comes first on PATH."""
        path = f"{self.stage / 'bin'}:{os.environ.get('PATH', os.defpath)}"
        known = {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": SUPERUSER, "PGDATABASE": dbname, "PATH": path}
        return {**os.environ, **known}

    def sql(self, query: str, dbname: str = "postgres") -> str:
        """Runs a query through psql and returns its rows, bare."""
        command = [str(self.stage / "bin" / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", query]
        done = subprocess.run(command, env=self.environment(dbname), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ClusterError(done.stderr)
        return done.stdout.rstrip("\n")

    def init(self) -> None:
        """Makes an empty database cluster, in UTF-8 and with sorting that does not depend on the machine."""
        self._make_folder()
        self._program(
            *("initdb", "--pgdata", str(self.data), "--username", SUPERUSER, "--pwfile", str(self.folder / "password")),
            *("--auth-local", "trust", "--auth-host", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("include = 'pg_llm.conf'\n")

    def copy(self, primary: Cluster) -> None:
        """Makes a hot standby of a running server, which follows it once started."""
        self._make_folder()
        shutil.copyfile(primary.folder / "password", self.folder / "password")
        source = ("--host", primary.host, "--port", str(primary.port), "--username", SUPERUSER)
        how = ("--checkpoint", "fast", "--write-recovery-conf", "--no-sync", "--pgdata", str(self.data))
        self._program("pg_basebackup", *source, *how)

    def promote(self) -> None:
        """Makes a standby a primary, and waits until it is."""
        self._control("promote", "--wait")

    def configure(self, **settings: str) -> None:
        """Changes settings; a running server takes those over that need no restart."""
        self.settings |= settings
        own = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": self.host,
            "unix_socket_permissions": "0700",
            "log_line_prefix": "%m [%p] %q%u@%d ",
        } | self.settings
        lines = [f"{name} = '{value}'" for name, value in own.items()]
        lines.append(f"include = '{self.stage / 'server.conf'}'\n")
        (self.data / "pg_llm.conf").write_text("\n".join(lines), encoding="utf-8")
        if self.is_running():
            self._control("reload")

    def start(self) -> None:
        """Starts the server, making it first where there is none, and waits until it answers."""
        if not (self.data / "PG_VERSION").exists():
            shutil.rmtree(self.data, ignore_errors=True)
            self.init()
        if self.is_running():
            return
        if not (self.folder / "socket").samefile(self.host):
            Path(self.host).mkdir(mode=0o700, exist_ok=True)
            if SERVER_USER:
                shutil.chown(self.host, SERVER_USER)
        self.configure()
        self._control("start", "--wait", "--log", str(self.folder / "server.log"))

    def stop(self, mode: str = "fast") -> None:
        """Stops the server and waits for its end; nothing happens where it does not run."""
        if self.is_running():
            self._control("stop", "--wait", "--mode", mode)

    def restart(self) -> None:
        """Stops and starts the server, which then has every setting."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Ends the server at once, as a power cut would."""
        while pid := self.pid:
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        # Until the dead process is reaped, PostgreSQL would take these files for those of a living server.
        for stale in (self.data / "postmaster.pid", *Path(self.host).glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None where it does not run."""
        try:
            pid, _, _, port = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[:4]
            name, state = Path("/proc", pid, "stat").read_text(encoding="utf-8").split()[1:3]
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        if name != "(postgres)" or state in "XZ":
            return None
        # One that another process started has chosen its own port.
        self._port = int(port)
        return int(pid)

    def is_running(self) -> bool:
        """Whether the server runs."""
        return self.pid is not None

    def remove(self) -> None:
        """Stops the server and deletes its folder."""
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.temporary:
            self.remove()
        else:
            self.stop()

    def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        (self.folder / "socket").mkdir(exist_ok=True)
        (self.folder / "password").write_text(secrets.token_urlsafe(), encoding="ascii")
        if SERVER_USER:
            for path in (self.folder, self.folder / "socket", self.folder / "password"):
                shutil.chown(path, SERVER_USER)
        (self.folder / "password").chmod(0o600)

    def _control(self, action: str, *arguments: str) -> None:
        self._program("pg_ctl", action, "--silent", "--pgdata", str(self.data), *arguments)

    def _program(self, name: str, *arguments: str) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        own["PYTHONPATH"] = str(self.stage / "python")
        # A file takes the output: a pipe would stay open as long as the server that pg_ctl leaves behind.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            done = subprocess.run(
                [str(self.stage / "bin" / name), *arguments],
                env=own,
                cwd="/",
                user=SERVER_USER,
                group=SERVER_USER,
                extra_groups=[] if SERVER_USER else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            output.seek(0)
            if done.returncode != 0:
                raise ClusterError(f"{name} failed:\n{output.read()}\n{self.log[-4000:]}")
