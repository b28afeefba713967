"""The root secret: the one secret that never enters the database (D8)."""

from __future__ import annotations

import os
import secrets
import shlex
import stat
import subprocess
from pathlib import Path

from ostiary.core.crypto import Wrapper
from ostiary.core.errors import Misconfigured
from ostiary.core.secrets import derived
from ostiary.keys.settings import KeySettings

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
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # fails where the other process was first
    except FileExistsError:
        return _from_file(path)
    finally:
        draft.unlink(missing_ok=True)
    return secret
