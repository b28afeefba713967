"""What every answer says to the browser about itself (R18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.web.settings import WebSettings

Header = tuple[bytes, bytes]

PERMISSIONS = (
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), "
    "gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=(), xr-spatial-tracking=(), "
    "publickey-credentials-get=(self), publickey-credentials-create=(self)"
)
REPORT_PATH = "/api/v1/csp-report"
REPORT_GROUP = "csp"


def common_headers(settings: WebSettings) -> list[Header]:
    """Return the headers that are the same on every answer. `X-XSS-Protection` is not sent: it did harm."""
    headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"same-origin"),  # not no-referrer: forms would then be sent with `Origin: null`
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", PERMISSIONS.encode()),
    ]
    if settings.is_https:
        headers.append((b"strict-transport-security", b"max-age=63072000; includeSubDomains"))
        endpoint = f'{REPORT_GROUP}="{settings.public_url}{REPORT_PATH}/"'
        headers.append((b"reporting-endpoints", endpoint.encode()))
    return headers


def reporting(settings: WebSettings) -> str:
    """Return the directives that say where violations are told.

    Browsers heed `report-to` on https only, and where they do it wins; the rest
    is told by `report-uri`.
    """
    return f"report-uri {REPORT_PATH}/" + (f"; report-to {REPORT_GROUP}" if settings.is_https else "")


def api_policy(settings: WebSettings) -> bytes:
    """Return the Content-Security-Policy of what is no page: nothing at all."""
    return (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox; "
        + reporting(settings)
    ).encode()


def page_policy(nonce: str, settings: WebSettings) -> bytes:
    """Return the Content-Security-Policy of a page: its own nonce, Trusted Types, nothing inline."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' data:; connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; object-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        f"trusted-types 'none'; {reporting(settings)}"
    ).encode()
