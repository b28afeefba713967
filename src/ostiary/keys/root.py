"""The root secret: the one secret that never enters the database (D8)."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ostiary.core.crypto import Wrapper
from ostiary.core.errors import Misconfigured
from ostiary.core.secrets import derived
from ostiary.keys.settings import KeySettings

NEXT, LOCK = ".next", ".lock"
"""Endings of the file in which a new root secret waits for its keys, and of the one that keeps two changes apart."""

SHORTEST = 32
FEWEST_DIFFERENT = 10


def root_wrapper(settings: KeySettings, data: Path) -> Wrapper:
    """Return what seals keys, made from the root secret of these settings.

    Taken from the setting, else a command's output, else a file; the default
    file is created at the first start, readable by its owner only.

    Raises:
        Misconfigured: The secret is weak, unreadable, or readable by others.
    """
    if settings.root_secret is not None:
        secret = settings.root_secret
    elif settings.root_secret_command is not None:
        secret = _from_command(settings.root_secret_command)
    elif settings.root_secret_file is not None:
        secret = _from_file(settings.root_secret_file)
    else:
        path = data / "root.secret"
        secret = _from_file(path) if path.exists() else _created(path)
    return _wrapper(secret)


class RootSecret:
    """Where the root secret lies, and how another takes its place without a moment in which nothing opens the keys.

    The new one lies whole beside the old before the keys are sealed anew, in
    one transaction; after its commit the new file takes the old one's name. A
    crash before the commit leaves the old one in force, a crash after it the
    new one, under its first name: `candidates` tries both.
    """

    def __init__(self, settings: KeySettings, data: Path) -> None:
        self._settings = settings
        self._data = data
        self.wrapper = root_wrapper(settings, data)

    @property
    def file(self) -> Path | None:
        """The file of the data folder in which it lies, or None if it comes from elsewhere."""
        settings = self._settings
        if settings.root_secret is not None or settings.root_secret_command is not None:
            return None
        file = settings.root_secret_file or self._data / "root.secret"
        return file if file.absolute().parent == self._data.absolute() else None

    def candidates(self) -> list[tuple[Wrapper, bool]]:
        """Return what may open the keys, each with whether it is one that waits to take over; reads files anew."""
        found = [(root_wrapper(self._settings, self._data), False)]
        if self.file is not None and (waiting := _beside(self.file, NEXT)).exists():
            with contextlib.suppress(Misconfigured):  # it has just taken over, or is not ours
                found.append((_wrapper(_from_file(waiting)), True))
        return found

    def settle(self) -> None:
        """Let the secret that waits take the old one's place; whoever comes second finds it done."""
        assert self.file is not None
        with contextlib.suppress(FileNotFoundError):
            _beside(self.file, NEXT).replace(self.file)
        _sync_folder(self.file.parent)

    @contextlib.contextmanager
    def being_replaced(self) -> Iterator[None]:
        """Keep every other replacement on this machine out.

        Raises:
            Misconfigured: Another one is under way.
        """
        import fcntl  # noqa: PLC0415 - not on every platform, and needed here only

        if self.file is None:
            yield
            return
        handle = os.open(_beside(self.file, LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured("the root secret is being replaced by somebody else at this moment") from None
            yield
        finally:
            os.close(handle)  # and the lock with it, as the end of the process would

    def prepare(self, chosen: Path | None) -> Wrapper:
        """Lay a new secret beside the old one, safe on disk, and return what seals under it.

        Args:
            chosen: A file that holds it; without one, a new one is made. Where
                the secret comes from elsewhere, a file is needed and only read.

        Raises:
            Misconfigured: The file is unfit, or there is none and one is needed.
        """
        if chosen is None and self.file is None:
            raise Misconfigured(
                "the root secret does not lie in the data folder: write a new one into a file and name that"
                " with --new-root-secret-file"
            )
        secret = _from_file(chosen).strip() if chosen is not None else secrets.token_urlsafe(48)
        wrapper = _wrapper(secret)
        if self.file is not None:
            _draft(self.file, secret).replace(_beside(self.file, NEXT))
            _sync_folder(self.file.parent)
        return wrapper


def _wrapper(secret: str) -> Wrapper:
    secret = secret.strip()
    if len(secret) < SHORTEST or len(set(secret)) < FEWEST_DIFFERENT:
        raise Misconfigured(
            "keys.root_secret is too weak: it needs at least 32 random characters."
            " Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return Wrapper(derived(secret.encode(), "root wrapping v1"))


def _from_command(command: str) -> str:
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError, ValueError) as failure:
        # Never the command's output: it may hold the secret.
        raise Misconfigured(f"keys.root_secret_command failed ({type(failure).__name__}): run it by hand") from None
    return done.stdout


def _from_file(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as failure:
        raise Misconfigured(f"keys.root_secret_file {path} cannot be read: {failure.strerror}") from failure
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise Misconfigured(f"keys.root_secret_file {path} is not a file")
    with os.fdopen(handle, encoding="utf-8") as file:
        if status.st_mode & 0o077:
            raise Misconfigured(f"keys.root_secret_file {path} can be read by others. Repair: chmod 600 {path}")
        try:
            return file.read()
        except UnicodeDecodeError:
            raise Misconfigured(f"keys.root_secret_file {path} is not text") from None  # the error holds the secret


def _created(path: Path) -> str:
    """Create the file, complete or not at all, even when two processes start at once."""
    secret = secrets.token_urlsafe(48)
    draft = _draft(path, secret)
    try:
        os.link(draft, path)  # fails where the other process was first
    except FileExistsError:
        return _from_file(path)
    finally:
        draft.unlink(missing_ok=True)
    return secret


def _draft(path: Path, secret: str) -> Path:
    """Write a secret into a file beside the one it is for, and see it safe on disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    return draft


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _sync_folder(folder: Path) -> None:
    """See a new name safe on disk, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
