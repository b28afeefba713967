"""What an integration brings along, and what it costs requests that have nothing to do with it."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from ostiary.integrations.mounted import Mounted
from ostiary.integrations.porch import Porch
from ostiary.wiring import Ostiary

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from ostiary.integrations.house import App, Receive, Scope, Send

MOST_MICROSECONDS = 15.0
"""Far above what was measured (about 1), as other work shares the machine."""

ASK_WHAT_IS_LOADED = """
import sys
import ostiary.integrations.{module}
print(*sorted(name for name in sys.modules if name.startswith("ostiary.") or "." not in name))
"""


@pytest.mark.parametrize("module", ["starlette", "fastapi"])
def test_an_integration_loads_no_server_part_and_no_database_library(module: str) -> None:
    asked = [sys.executable, "-c", ASK_WHAT_IS_LOADED.format(module=module)]
    loaded = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()

    ours = {name.removeprefix("ostiary.").partition(".")[0] for name in loaded if name.startswith("ostiary.")}
    assert ours == {"client", "integrations"}
    assert module in loaded
    assert not {"sqlalchemy", "sqlite3", "asyncpg", "argon2", "alembic", "jinja2"} & set(loaded)


async def test_an_unrelated_request_costs_a_few_microseconds_more(closed_house: Ostiary) -> None:
    async def handler(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"hello"})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(_: MutableMapping[str, Any]) -> None: ...

    async def cost(app: App, requests: int = 2000) -> float:
        began = time.process_time()
        for _ in range(requests):
            await app({"type": "http", "method": "GET", "path": "/items/42", "headers": []}, receive, send)
        return (time.process_time() - began) / requests * 1e6

    behind_porch = Porch(handler, Mounted(closed_house))
    rounds = [(await cost(handler), await cost(behind_porch)) for _ in range(7)]
    bare, behind = (min(costs) for costs in zip(*rounds, strict=True))

    assert behind - bare < MOST_MICROSECONDS, f"{bare:.2f} us bare, {behind:.2f} us behind the porch"
