"""Reports as browsers send them."""

from __future__ import annotations

import json
from typing import Any

from tests.house import ORIGIN

PATH = "/api/v1/csp-report/"
LEGACY, MODERN = "application/csp-report", "application/reports+json"


def legacy(**changed: Any) -> bytes:  # noqa: ANN401 - whatever a sender makes up
    """Return a report in the form of `report-uri`."""
    body = {
        "document-uri": f"{ORIGIN}/auth/sign-in?next=/auth/account#top",
        "referrer": f"{ORIGIN}/auth/confirm?token=secret",
        "violated-directive": "script-src-elem",
        "effective-directive": "script-src-elem",
        "original-policy": "default-src 'none'; report-uri /api/v1/csp-report/",
        "disposition": "enforce",
        "blocked-uri": "https://mira:secret@evil.example/a/b.js?token=secret#x",
        "status-code": 200,
        "script-sample": "alert('a sample that is much longer than forty characters are')",
        "source-file": f"{ORIGIN}/auth/static/page.js?token=secret",
        "line-number": 3,
    }
    return json.dumps(
        {"csp-report": body | {name.replace("_", "-"): value for name, value in changed.items()}}
    ).encode()


def modern(*bodies: dict[str, Any], kind: str = "csp-violation") -> bytes:
    """Return reports in the form of `report-to`."""
    body = {
        "documentURL": f"{ORIGIN}/auth/sign-in?next=/auth/account",
        "blockedURL": "inline",
        "effectiveDirective": "script-src-elem",
        "originalPolicy": "default-src 'none'",
        "disposition": "enforce",
        "sample": "",
        "sourceFile": None,
        "lineNumber": 1,
        "statusCode": 200,
    }
    said = [
        {"type": kind, "age": 10, "url": ORIGIN, "user_agent": "x", "body": body | more} for more in bodies or ({},)
    ]
    return json.dumps(said).encode()
