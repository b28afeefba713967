"""A QR code as SVG: drawn here, so that no secret travels to a service that draws (R17)."""

from __future__ import annotations

import io


def drawn(text: str) -> str:
    """Return a QR code (ISO/IEC 18004) as one SVG element, black on white whatever the page's colours.

    Without a size of its own and without styles or scripts: the page says how large, its policy allows no more.
    """
    import segno  # noqa: PLC0415 - loaded with the first authenticator

    out = io.BytesIO()
    segno.make_qr(text, error="m").save(
        out, kind="svg", border=4, dark="#000", light="#fff", xmldecl=False, svgclass=None, lineclass=None,
        omitsize=True, nl=False,
    )  # fmt: skip
    return out.getvalue().decode("utf-8")
