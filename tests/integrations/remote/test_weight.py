"""A client brings the client: neither a part of the house nor a library that its extra does not name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest
from tests.client.forging import AUDIENCE, ISSUER, NOW
from tests.integrations.remote.conftest import KEY, token_of

SERVES = """
import json, sys

told = json.loads(sys.argv[1])

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in told["absent"]:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Blocked())
ours = {"ISSUER": told["issuer"], "AUDIENCE": told["audience"]}
if told["extra"] in ("django", "drf"):
    import django
    from django.conf import settings
    apps = ["django.contrib.contenttypes", "django.contrib.auth", "ostiary.integrations.django"]
    settings.configure(OSTIARY=ours, INSTALLED_APPS=apps, USE_TZ=True, TIME_ZONE="UTC", SECRET_KEY="x")
    django.setup()
__import__("ostiary.integrations." + told["module"])

from ostiary.client import ResourceServer, Visit

early = {"httpx", *told["heavy"]} & sys.modules.keys()
assert not early, early

import httpx

answer = httpx.Response(200, stream=httpx.ByteStream(json.dumps({"keys": [told["key"]]}).encode()))
server = ResourceServer(
    issuer=told["issuer"], audience=told["audience"], clock=lambda: told["now"],
    transport=httpx.MockTransport(lambda _: answer),
)
visitor = server.admit_blocking(Visit(method="GET", path="/", authorization="Bearer " + told["token"]))
assert visitor.identity is not None, visitor

if told["extra"] in ("fastapi", "starlette"):
    import asyncio, importlib
    module = importlib.import_module("ostiary.integrations." + told["module"])
    lender = module.require(permission="books:lend")
    if told["extra"] == "fastapi":
        app = importlib.import_module("fastapi").FastAPI()
        async def who(account: module.CurrentAccount): return account.username
        app.add_api_route("/who", who, dependencies=[lender])
    else:
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        app = Starlette()
        async def who(request): return JSONResponse((await lender(request)).username)
        app.add_route("/who", who)
    module.connect(app, server)

    async def ask():
        async with app.router.lifespan_context(app):
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://app.test") as client:
                answer = await client.get("/who", headers={"authorization": "Bearer " + told["token"]})
                assert answer.json() == "mira", answer.text
                assert (await client.get("/who")).status_code == 401

    asyncio.run(ask())
late = set(told["heavy"]) & sys.modules.keys()
assert not late, late
print(*sorted({name.split(".")[1] for name in sys.modules if name.startswith("ostiary.")}))
"""

HEAVY = ["sqlalchemy", "asyncpg", "argon2", "alembic", "pydantic", "fastapi", "starlette", "granian"]


def closure(extra: str) -> set[str]:
    """Return every library that `ostiary[extra]` installs, by its distribution's name."""
    found: set[str] = set()
    waiting = [("ostiary", extra)]
    while waiting:
        name, wanted = waiting.pop()
        try:
            asked = requires(name) or []
        except PackageNotFoundError:  # for another platform or version
            continue
        for line in asked:
            of_extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
            library = normal(re.split(r"[\[<>=!~; (]", line, maxsplit=1)[0])
            if (of_extra is None or of_extra[1] == wanted) and library not in found:
                found.add(library)
                waiting.append((library, ""))
    return found | {"ostiary"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("asgi", ""),
        ("flask", "flask"),
        ("django", "django"),
        ("drf", "drf"),
        ("django.asgi", "django"),
        ("fastapi", "fastapi"),
        ("starlette", "starlette"),
    ],
)
def test_an_integration_works_with_what_its_extra_installs_and_loads_no_part_of_the_house(
    module: str, extra: str
) -> None:
    here = closure(extra)
    absent = [top for top, of in packages_distributions().items() if not {normal(name) for name in of} & here]
    its_own = {"fastapi": {"fastapi", "starlette", "pydantic"}, "starlette": {"starlette"}}.get(extra, set[str]())
    assert {"sqlalchemy", "fastapi", "pydantic", "granian", "argon2"} - its_own <= set(absent)
    told = {
        "module": module, "extra": extra, "absent": absent, "heavy": [*set(HEAVY) - its_own],
        "issuer": ISSUER, "audience": AUDIENCE,
        "now": NOW, "token": token_of(), "key": KEY.verifying.to_jwk(),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SERVES, json.dumps(told)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"client", "integrations"}
