"""Reading JSON bodies without the freedoms that parsers disagree about."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import NoReturn

from ostiary.core.errors import Problem

_LONGEST_NUMBER = 40  # characters; a double needs 25 at most, and int() is quadratic in its digits


class MalformedJSON(Problem):
    """Two readers could understand this body differently, so nobody reads it."""

    slug = "malformed-json"
    title = "The body is not JSON that this server reads."
    status = 400


def loads(raw: bytes, *, longest: int = 64 * 1024, deepest: int = 20) -> object:
    """Return the value of one JSON document (RFC 8259, within I-JSON, RFC 7493).

    Stricter than `json.loads` where a lenient reader invites trouble: a name
    twice in one object (a proxy and we could believe different ones), lone
    surrogates and NUL (no database can store them), numbers without a value
    or of absurd length, deep nesting, bytes that are not UTF-8, a BOM.

    Args:
        raw: The body as it came.
        longest: Bytes that a body may have.
        deepest: Arrays and objects that may lie inside each other.

    Raises:
        MalformedJSON: Says what is wrong and where; never repeats the body.
    """
    text = _decode(raw, longest)
    _refuse_depth(text, deepest)
    value, fault = _read(text)
    if fault is not None:
        raise fault
    _refuse_unstorable_text(text)
    return value


def _read(text: str) -> tuple[object, MalformedJSON | None]:
    """Return the fault instead of raising it.

    Raised inside an `except`, it would carry the decoder's own error, which
    holds the document and with it whatever secret was sent.
    """
    try:
        return _DECODER.decode(text), None
    except json.JSONDecodeError as fault:
        return None, _fault("The body is not valid JSON", text, fault.pos)
    except _DoubledNameError:
        return None, _fault("An object uses one name twice", text, _doubled_name_at(text))
    except _BadNumberError as fault:
        position = _token_at(text, str(fault))
        return None, _fault("A number is too long, too large or not a number", text, position)
    except RecursionError:
        return None, MalformedJSON("The body is nested too deeply.")


class _DoubledNameError(ValueError):
    pass


class _BadNumberError(ValueError):
    pass


def _object(members: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(members)
    if len(value) != len(members):
        raise _DoubledNameError
    return value


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise _BadNumberError(digits)
    return int(digits)


def _fraction(digits: str) -> float:
    value = float(digits) if len(digits) <= _LONGEST_NUMBER else math.inf
    if math.isinf(value):
        raise _BadNumberError(digits)
    return value


def _constant(name: str) -> NoReturn:
    raise _BadNumberError(name)  # NaN and the infinities are Python's, not JSON's


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)


def _decode(raw: bytes, longest: int) -> str:
    if len(raw) > longest:
        raise MalformedJSON(f"The body is longer than {longest} bytes.")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise MalformedJSON("The body starts with a byte order mark; leave it out (RFC 8259, 8.1).")
    broken_at = -1
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        text, broken_at = "", fault.start
    if broken_at >= 0:
        raise MalformedJSON(f"The body is not UTF-8 at byte {broken_at + 1}.")  # unchained, as in `_read`
    if not text.strip(" \t\r\n"):
        raise MalformedJSON("The body is empty.")
    return text


# One pass, no backtracking: a string that never ends runs to the end of the text and is not tried again.
_TOKEN = re.compile(r'"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)|[\[\]{}:,]|[^\s"\[\]{}:,]+', re.DOTALL)


def _refuse_depth(text: str, deepest: int) -> None:
    if text.count("[") + text.count("{") <= deepest:
        return  # the ordinary body is settled without looking at its tokens
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > deepest:
                raise _fault(f"The body is nested more than {deepest} levels deep", text, token.start())
        elif token[0] in "]}":
            depth -= 1


# In this order: a whole surrogate pair, then what must not be, then any other escape (so that an
# escaped backslash is stepped over and cannot lend its second half to a "u0000" that follows).
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u(?P<nul>0000)|\\u(?P<lone>[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


def _refuse_unstorable_text(text: str) -> None:
    if "\\u" not in text:
        return  # strict UTF-8 has no surrogates, and the decoder refuses a bare NUL
    for escape in _ESCAPE.finditer(text):
        if escape["nul"]:
            raise _fault("A text contains a NUL character", text, escape.start())
        if escape["lone"]:
            raise _fault("A text contains half of a surrogate pair", text, escape.start())


def _doubled_name_at(text: str) -> int:
    """Return where the second naming starts; runs only once a body is refused."""
    seen: list[set[str]] = []
    tokens = list(_TOKEN.finditer(text))
    for token, following in _pairs(tokens):
        if token[0] == "{" or token[0] == "[":
            seen.append(set())
        elif token[0] in ("}", "]"):
            seen.pop()
        elif following is not None and following[0] == ":":
            name = json.loads(token[0])
            if name in seen[-1]:
                return token.start()
            seen[-1].add(name)
    return 0


def _pairs(tokens: list[re.Match[str]]) -> Iterator[tuple[re.Match[str], re.Match[str] | None]]:
    return zip(tokens, [*tokens[1:], None], strict=True)


def _token_at(text: str, wanted: str) -> int:
    return next((token.start() for token in _TOKEN.finditer(text) if token[0] == wanted), 0)


def _fault(what: str, text: str, position: int) -> MalformedJSON:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return MalformedJSON(f"{what}, at line {line}, column {column}.")
