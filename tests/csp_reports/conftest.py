"""Reports are written when a test says so."""

from __future__ import annotations

import pytest

from ostiary.csp_reports import service as keeping


@pytest.fixture(autouse=True)
def written_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no house write by itself: a test that asks meanwhile finds nothing that waits, and nothing kept either.

    Those about the house's own writing say how often that is.
    """
    monkeypatch.setattr(keeping, "WRITE_EVERY_SECONDS", 3600.0)
