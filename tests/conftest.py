"""A private server for the whole run, and a database of its own for every test, cloned from a template."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import llama_server
import psycopg
import pytest
from cranfield import documents, load_cranfield
from database import DATA, ROOT, install
from films import load_shop
from hypothesis import settings
from politics import load_politics
from pytest_postgresql import factories
from workbench.cluster import TEST_SETTINGS, Cluster

# A set-up may go without PyTorch (TORCH=none); what needs it is skipped there, and nowhere else.
HAS_TORCH = importlib.util.find_spec("torch") is not None
NO_TORCH = "PyTorch is not installed here"
# Never of these: embedding, search and cleaning work without.
TORCH_FREE = re.compile(r"test_(embedding|semantic|cleaning|search)")
MISSING = re.compile(r"""(No module named '|needs the Python package ")(torch|transformers|sentence_transformers)\b""")
# Bytes that the data of two test processes may come to, twice.
ROOM = 6 << 30
CRASH = re.compile(r"PANIC|was terminated by signal|all server processes terminated")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run tests that take long")
    parser.addoption("--flink", metavar="PYTHON", help="also run the manual's job, by a Python that has apache-flink")


class WithoutTorch(importlib.abc.MetaPathFinder):
    """Unit tests that run alone cannot import torch, so that none comes to need it."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"a unit test needs no {name}; tests/host may", name=name)


# Machines are noisy: how long an example takes says nothing.
settings.register_profile("noisy", deadline=None)
settings.load_profile("noisy")


def pytest_configure(config: pytest.Config) -> None:
    places = [argument.partition("::")[0] for argument in config.args]
    if all(Path(place).resolve().is_relative_to(ROOT / "tests" / "unit") for place in places):
        sys.meta_path.insert(0, WithoutTorch())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the slow tests, and those on public data in a clone without it; in CI missing data is a failure."""
    without_slow = not config.getoption("--slow")
    without_data = not DATA.is_dir() and not os.environ.get("CI")

    def is_left_out(item: pytest.Item) -> bool:
        needs_data = {"abstracts", "cranfield", "politics"} & set(getattr(item, "fixturenames", ()))
        return bool((without_slow and item.get_closest_marker("slow")) or (without_data and needs_data))

    left_out = [item for item in items if is_left_out(item)]
    if left_out:
        items[:] = [item for item in items if not is_left_out(item)]
        config.hook.pytest_deselected(items=left_out)
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))
    if not HAS_TORCH:
        for item in items:
            if item.get_closest_marker("torch"):
                item.add_marker(pytest.mark.skip(reason=NO_TORCH))


def pytest_report_header() -> str:
    return f"public data: {DATA}" if DATA.is_dir() else f"public data: none in {DATA}, tests on it are left out"


def memory_folder() -> Path | None:
    """A folder in memory with room for the servers of all test processes: each test makes and drops a database."""
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < ROOM:
        return None
    available = re.search(r"^MemAvailable: *(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return folder if available and int(available[1]) << 10 >= 2 * ROOM else None


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    folder = tempfile.TemporaryDirectory(prefix="pg_llm-", dir=memory_folder())
    with folder as data, Cluster(data, settings=TEST_SETTINGS) as running:
        yield running
        crashes = [line for line in running.log.splitlines() if CRASH.search(line)]
        assert not crashes, crashes


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """A module of tests that imports PyTorch is skipped where there is none."""
    report = yield
    can_lack_torch = not HAS_TORCH and not TORCH_FREE.match(collector.path.stem)
    if report.failed and can_lack_torch and MISSING.search(str(report.longrepr)):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: {NO_TORCH}")
    return report


def lacks_torch(error: BaseException | None) -> bool:
    """Whether pg_llm itself has said, somewhere on the way to this error, that PyTorch is missing."""
    while error is not None:
        if MISSING.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    can_lack_torch = not HAS_TORCH and not TORCH_FREE.match(item.path.stem)
    if report.failed and can_lack_torch and call.excinfo and lacks_torch(call.excinfo.value):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: {NO_TORCH}")
    running = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and running:
        report.sections.append(("server log", running.log[-4000:]))
    return report


@pytest.fixture(scope="session")
def server(cluster: Cluster) -> SimpleNamespace:
    return SimpleNamespace(
        host=cluster.host,
        port=cluster.port,
        user="postgres",
        password=None,
        options="",
        maintenance_dbname="postgres",
        template_dbname=None,
    )


with_extension = factories.postgresql_noproc(depends_on="server", dbname="with_extension", load=[install])
with_shop = factories.postgresql_noproc(depends_on="with_extension", dbname="shop", load=[load_shop])
with_cranfield = factories.postgresql_noproc(depends_on="with_extension", dbname="cranfield", load=[load_cranfield])
_fresh = factories.postgresql("with_extension")
_fitted = factories.postgresql("with_shop")
_indexed = factories.postgresql("with_cranfield")


@pytest.fixture
def db(_fresh: psycopg.Connection) -> psycopg.Connection:
    """A fresh database with the extension."""
    _fresh.autocommit = True
    return _fresh


@pytest.fixture
def fitted(_fitted: psycopg.Connection) -> psycopg.Connection:
    """A database with the tables `product` and `purchase` of a made-up shop, and its recommender."""
    _fitted.autocommit = True
    return _fitted


@pytest.fixture
def cranfield(_indexed: psycopg.Connection) -> psycopg.Connection:
    """A database with the table `document`, 1400 abstracts, indexed."""
    _indexed.autocommit = True
    return _indexed


@pytest.fixture(scope="session")
def abstracts() -> list[str]:
    """The 1400 abstracts of Cranfield with their titles, without a database."""
    return [text for _, text in documents()]


@pytest.fixture(scope="session")
def llama_endpoint() -> Iterator[str]:
    """The source of a real OpenAI-compatible endpoint: llama.cpp's server with SmolLM2, for chat and embeddings."""
    with llama_server.running() as source:
        yield source


@pytest.fixture
def politics(db: psycopg.Connection) -> psycopg.Connection:
    """A database with the table `sentence`, 741 of them with their entities."""
    load_politics(db)
    return db


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., psycopg.Connection]]:
    """More connections to the test's database."""
    opened: list[psycopg.Connection] = []

    def open_another(user: str = "postgres") -> psycopg.Connection:
        own = request.getfixturevalue("fitted" if "fitted" in request.fixturenames else "db")
        opened.append(psycopg.connect(own.info.dsn, user=user, autocommit=True))
        return opened[-1]

    yield open_another
    for connection in opened:
        connection.close()


@pytest.fixture
def role(request: pytest.FixtureRequest) -> Iterator[str]:
    """A role without any right of its own."""
    db = request.getfixturevalue("fitted" if "fitted" in request.fixturenames else "db")
    db.execute("CREATE ROLE reader LOGIN")
    yield "reader"
    db.execute("RESET ROLE")
    db.execute("DROP OWNED BY reader CASCADE")
    db.execute("DROP ROLE reader")
