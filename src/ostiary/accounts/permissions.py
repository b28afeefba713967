"""How permissions are written: words parted by colons, such as `csp-reports:read`."""

from __future__ import annotations

import re

from ostiary.core.errors import FieldError, InvalidFields

LONGEST = 64
_GRAMMAR = re.compile(r"[a-z][a-z0-9-]*(:[a-z][a-z0-9-]*)*")


def check_permission(name: str) -> str:
    """Return the name of a permission as it is.

    One spelling each: what may be written in two ways would be forbidden in one.

    Raises:
        InvalidFields: No permission is written like this.
    """
    if len(name) > LONGEST or not _GRAMMAR.fullmatch(name):
        words = f"A permission looks like csp-reports:read: small letters, digits, - and :, at most {LONGEST}."
        raise InvalidFields(words, errors=(FieldError("permission", words, "permission"),))
    return name
