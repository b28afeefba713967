"""Reading base64url and JSON so that each value has one spelling and each name one meaning."""

from __future__ import annotations

import binascii
import json
from typing import NoReturn

_MAX_DEPTH = 16
_TO_STANDARD, _TO_URL = bytes.maketrans(b"-_", b"+/"), bytes.maketrans(b"+/", b"-_")


def decode_base64url(text: str) -> bytes | None:
    """Return what `text` encodes without padding (RFC 7515 section 2), or None.

    Only the canonical spelling counts: bits that fall off the end must be
    zero, so that one value cannot travel under two texts.
    """
    try:
        standard = text.encode("ascii").translate(_TO_STANDARD) + b"=" * (-len(text) % 4)
        data = binascii.a2b_base64(standard, strict_mode=True)
    except ValueError:  # `binascii.Error` is one
        return None
    return data if encode_base64url(data) == text else None


def encode_base64url(data: bytes) -> str:
    """Return `data` in base64url without padding (RFC 7515 section 2)."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL, delete=b"=").decode("ascii")


def decode_object(data: bytes) -> dict[str, object] | None:
    """Return the JSON object that `data` spells in UTF-8, or None.

    None also where parsers disagree about the meaning: a name given twice
    (RFC 8725 section 3.10), NaN and infinities, lone surrogates, nesting
    deeper than sixteen levels.
    """
    try:
        text = data.decode("utf-8")
        value = _DECODER.decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # an escaped half of a surrogate pair fails here
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    if text.count("[") + text.count("{") > _MAX_DEPTH and not _is_shallow(value):
        return None
    return value


def _is_shallow(value: object) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return True
    return False


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is given twice")
    return members


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):  # 1e999 is a legal spelling of infinity
        raise ValueError("a number is out of range")
    return number


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_float=_finite, parse_constant=_no_constant)
