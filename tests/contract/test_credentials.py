"""The document says at which routes a credential is needed, and is right."""

from __future__ import annotations

import httpx
import pytest
from tests.contract.doors import document, operations

NEEDED: list[dict[str, list[str]]] = [{"bearer": []}]


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_whoever_shows_nothing_is_refused_where_the_document_says_so_and_nowhere_else(
    outside: httpx.AsyncClient,
) -> None:
    assert document()["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    seen = 0
    for operation in operations():
        said = operation.document.get("security")
        if said is None:  # proxies, browsers and watchers, none of which the scheme is for
            assert operation.path.startswith(("/auth/forward", "/.well-known", "/healthz", "/readyz")) or (
                "/dbsc/" in operation.path
            ), str(operation)
            continue
        body: dict[str, str] | None = {} if operation.has_body else None
        answer = await outside.request(operation.method, operation.concrete, json=body)
        outside.cookies.clear()
        refused = answer.status_code == 401 and "problems/not-signed-in" in answer.text
        # Some look at the body first; no refusal of another kind says that a stranger would have got in.
        assert refused or said != NEEDED or answer.status_code == 422, f"{operation}: {answer.text[:200]}"
        assert not (refused and said == []), str(operation)
        seen += refused
    assert seen > 20
