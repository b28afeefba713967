"""What a browser reports, read without trust and without what is personal.

Two forms are in use: one report as `application/csp-report` (CSP level 3,
section 5.3), and a list as `application/reports+json` (Reporting API).
Anybody can send either: nothing here is more than hearsay.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ostiary.csp_reports.errors import MalformedReport
from ostiary.web.problems import MediaTypeUnsupported
from ostiary.web.settings import origin_of
from ostiary.web.strict_json import loads

LEGACY, MODERN = "application/csp-report", "application/reports+json"
LONGEST_SAMPLE = 40  # as browsers cut it themselves (CSP level 3, section 5.2)
LONGEST_TEXT = 200
OTHER = "other"

_NETWORK = frozenset({"http", "https", "ws", "wss"})
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}")
_WORD = re.compile(r"[a-z][a-z-]{0,40}")
_LEGACY_NAMES = {
    "directive": "effective-directive", "violated": "violated-directive", "blocked": "blocked-uri",
    "page": "document-uri", "source": "source-file", "disposition": "disposition", "sample": "script-sample",
}  # fmt: skip
_MODERN_NAMES = {
    "directive": "effectiveDirective", "violated": "effectiveDirective", "blocked": "blockedURL",
    "page": "documentURL", "source": "sourceFile", "disposition": "disposition", "sample": "sample",
}  # fmt: skip


class Report(msgspec.Struct, frozen=True):
    """One violation, as far as it is kept.

    Attributes:
        directive: Which directive was violated, such as `script-src-elem`.
        blocked: Origin or scheme of what was blocked, or a word such as `inline`.
        page: Path of the page on which it happened.
        source: Origin and path of the script that did it, or its scheme, or nothing.
        disposition: `enforce` or `report`.
        sample: The first characters of what was blocked, where the browser tells them.
    """

    directive: str
    blocked: str
    page: str
    source: str
    disposition: str
    sample: str

    @property
    def group(self) -> str:
        """The name of the group of reports that are alike: all but the sample."""
        said = msgspec.json.encode([self.directive, self.blocked, self.page, self.source, self.disposition])
        return urlsafe_b64encode(hashlib.sha256(said).digest()[:16]).decode().rstrip("=")


def read(media_type: str, raw: bytes, origins: AbstractSet[str]) -> list[Report]:
    """Return the violations in a delivery that happened on pages of these origins.

    Others are no concern of this house. A page elsewhere can name our path as
    its own; what its visitors' browsers then send is dropped here.

    Args:
        media_type: As the sender declares it.
        raw: The body.
        origins: Where our pages are.

    Raises:
        MediaTypeUnsupported: It is declared as something else.
        MalformedJSON: It is not strict JSON.
        MalformedReport: It is, but no report.
    """
    declared = media_type.partition(";")[0].strip().lower()
    if declared not in (LEGACY, MODERN):
        raise MediaTypeUnsupported(f"Browsers report as {LEGACY} or {MODERN}.")
    found = loads(raw)
    if declared == LEGACY:
        bodies, names = [_legacy_body(found)], _LEGACY_NAMES
    else:
        bodies, names = list(_modern_bodies(found)), _MODERN_NAMES
    reports = (_report({field: body.get(name) for field, name in names.items()}, origins) for body in bodies)
    return [report for report in reports if report is not None]


def _legacy_body(found: object) -> dict[str, Any]:
    body = found.get("csp-report") if isinstance(found, dict) else None
    if not isinstance(body, dict):
        raise MalformedReport
    return body


def _modern_bodies(found: object) -> Iterator[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise MalformedReport
    for entry in found:
        body = entry.get("body")
        if entry.get("type") == "csp-violation" and isinstance(body, dict):  # other types are well-formed, and not ours
            yield body


def _report(said: dict[str, object], origins: AbstractSet[str]) -> Report | None:
    text = {field: value if isinstance(value, str) else "" for field, value in said.items()}
    page = _page(text["page"], origins)
    if page is None:
        return None
    # Older browsers name no effective directive: the violated one begins with it.
    directive = text["directive"] or text["violated"].partition(" ")[0]
    return Report(
        directive=directive if _WORD.fullmatch(directive) else OTHER,
        blocked=_place(text["blocked"], with_path=False),
        page=page,
        source=_place(text["source"], with_path=True),
        disposition="report" if text["disposition"] == "report" else "enforce",
        sample=_shown(text["sample"], LONGEST_SAMPLE),
    )


def _page(url: str, origins: AbstractSet[str]) -> str | None:
    try:
        if origin_of(url) not in origins:
            return None
        return _shown(urlsplit(url).path or "/")
    except ValueError:
        return None


def _place(url: str, *, with_path: bool) -> str:
    """Return where something came from, without user name, query or fragment.

    Of a scheme that is no network's the scheme alone: an extension's address
    names the browser it is installed in, a `blob:` or `data:` URL its content.
    """
    if not url or _WORD.fullmatch(url):
        return url
    try:
        parts = urlsplit(url)
        if parts.scheme in _NETWORK and parts.hostname:
            return _shown(origin_of(url) + (parts.path if with_path else ""))
    except ValueError:
        return OTHER
    return parts.scheme if _SCHEME.fullmatch(parts.scheme) else OTHER


def _shown(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return text that is fit for a terminal, and not too long for a row."""
    return "".join(character for character in text[: 4 * longest] if character.isprintable())[:longest]
