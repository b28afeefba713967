"""Password hashes in every form that Ostiary can check, one module for each family."""

from __future__ import annotations

from ostiary.core.hash_formats import argon2, bcrypt, firebase, pbkdf2, scrypt
from ostiary.core.hash_formats.form import MOST_MEMORY_KIB, MOST_WEIGHT, NotImportable, PasswordHash

__all__ = [
    "MOST_MEMORY_KIB",
    "MOST_WEIGHT",
    "NotImportable",
    "PasswordHash",
    "check_importable",
    "find",
]

LONGEST_STORED = 1024
"""Characters; the longest real form (Firebase, with its signer key) has about 300."""

_FAMILIES = (argon2.parse, bcrypt.parse, pbkdf2.parse, scrypt.parse, firebase.parse)


def check_importable(stored: str) -> PasswordHash:
    """Return the form of a hash that comes from elsewhere, if it may be taken in.

    Checked when it is imported rather than when its owner signs in: a hash
    that costs a minute to verify would be a way to halt the server.

    Raises:
        NotImportable: No family claims it, it is malformed, or it costs more
            than `MOST_WEIGHT` or `MOST_MEMORY_KIB`. The message never quotes it.
    """
    if len(stored) > LONGEST_STORED:
        raise NotImportable(f"The hash is longer than {LONGEST_STORED} characters.")
    for parse in _FAMILIES:
        form = parse(stored)
        if form is not None:
            return _bounded(form)
    raise NotImportable("The hash has no form that is known here.")


def find(stored: str) -> PasswordHash | None:
    """Return the form of a stored hash, or None for one that can never match."""
    try:
        return check_importable(stored)
    except NotImportable:
        return None


def _bounded(form: PasswordHash) -> PasswordHash:
    if form.memory_kib > MOST_MEMORY_KIB:
        raise NotImportable(
            f"The {form.family} hash needs {form.memory_kib // 1024} MiB; "
            f"at most {MOST_MEMORY_KIB // 1024} are allowed."
        )
    if form.weight > MOST_WEIGHT:
        raise NotImportable(
            f"The {form.family} hash costs as much as {form.weight:.0f} default hashes; "
            f"at most {MOST_WEIGHT:.0f} are allowed."
        )
    return form
