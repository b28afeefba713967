"""The generated part of the typed client says what the OpenAPI document says today."""

from __future__ import annotations

from scripts import generate_client


def test_the_committed_client_is_what_the_document_makes_of_it() -> None:
    wanted = generate_client.files()
    there = {
        path.relative_to(generate_client.CLIENT).as_posix(): path.read_text(encoding="utf-8")
        for folder in ("shapes", "verbs")
        for path in (generate_client.CLIENT / folder).glob("*.py")
    }
    assert there == wanted, "run: .venv/bin/python -m scripts.generate_client"
