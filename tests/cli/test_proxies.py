"""What `ostiary doctor` says of the way to the server: through real proxies, in each state that they can be in."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from click.testing import CliRunner
from tests.cli.reverse_proxies import PROXY, Behaviour, find_nginx, free_port, nginx, small_proxy
from tests.services.server_process import ServerProcess

from ostiary.cli import ostiary
from ostiary.cli.proxies import FORGED, Judgement
from ostiary.web.probe import PATH, Seen
from ostiary.web.settings import WebSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APPENDS = Behaviour({"X-Forwarded-For": "$proxy_add_x_forwarded_for"})
REPLACES = Behaviour({"X-Forwarded-For": "$remote_addr"})
PASSES_ON = Behaviour()
STRIPS = Behaviour({"X-Forwarded-For": "", "Forwarded": ""})
WRITES_NONSENSE = Behaviour({"X-Forwarded-For": "unknown"})
STANDARD = Behaviour({"Forwarded": "for=$remote_addr;proto=https", "X-Forwarded-For": ""})
REWRITES = Behaviour({"X-Forwarded-For": "$remote_addr"}, keeps_host=False, decodes=True)
TRUSTED = {"trusted_proxies": [f"{PROXY}/32"]}


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - one of two context managers
    """nginx where there is one, else a proxy of our own; that one is tested everywhere where a test asks for it."""
    if sys.platform == "darwin":
        pytest.skip(f"this system has no {PROXY} unless somebody adds it")
    return small_proxy if getattr(request, "param", "") == "small" or find_nginx() is None else nginx


@pytest.fixture
def examine(tmp_path: Path, proxy: Any) -> Iterator[Callable[..., dict[str, dict[str, str]]]]:  # noqa: ANN401
    """Start a server, a proxy before it, and the doctor: `examine(APPENDS, **web)`; findings by what they are about."""
    servers: list[ServerProcess] = []

    def look(behaviour: Behaviour | None, *, then: Callable[[str], None] | None = None, **web: Any) -> Any:  # noqa: ANN401
        data, server_port, port = tmp_path / "data", free_port(), free_port()
        data.mkdir(mode=0o700)
        public = port if behaviour else server_port
        settings = {"public_url": f"http://localhost:{public}"} | web
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        (data / "ostiary.toml").write_text("\n".join(["[web]", *lines, ""]))
        server = ServerProcess(data, port=server_port)
        servers.append(server)
        server.wait_until_ready()
        standing = proxy(tmp_path / "proxy", port, server_port, behaviour) if behaviour else nullcontext()
        with standing:
            output = CliRunner().invoke(ostiary, ["doctor", "--json", "--data", str(data)]).output
            if then is not None:
                then(f"http://127.0.0.1:{public}")
        assert '"proxies"' in output, output
        findings = {found["about"]: found for found in map(json.loads, output.splitlines())}
        return findings | {"log": {"words": server.output}}

    yield look
    for server in servers:
        server.close()


def test_no_proxy_is_good(examine: Any) -> None:  # noqa: ANN401
    found = examine(None)

    assert [found[about]["state"] for about in ("proxies", "scheme", "host", "paths")] == ["good"] * 4
    assert "Nothing stands between" in found["proxies"]["words"]
    assert "is no trusted proxy" not in found["log"]["words"], "the probe itself raises no alarm"


@pytest.mark.parametrize("behaviour", [APPENDS, REPLACES, PASSES_ON], ids=["appends", "replaces", "passes-on"])
def test_a_proxy_that_nobody_configured_is_bad_and_named(examine: Any, behaviour: Behaviour) -> None:  # noqa: ANN401
    def ready(url: str) -> None:
        for _ in range(3):
            answer = httpx.get(f"{url}/readyz", headers={"x-forwarded-for": "203.0.113.9"})
            assert answer.json().keys() == {"status", "warning"}

    found = examine(behaviour, then=ready)

    assert found["proxies"]["state"] == "bad"
    assert "client addresses are unknown" in found["proxies"]["words"]
    assert f'web.trusted_proxies = ["{PROXY}/32"]' in found["proxies"]["remedy"]
    log = found["log"]["words"]
    assert log.count("is no trusted proxy") == 1, "loudly, but once a minute"
    assert f'web.trusted_proxies = ["{PROXY}/32"]' in log


def test_a_trusted_proxy_that_passes_foreign_headers_on_is_bad(examine: Any) -> None:  # noqa: ANN401
    found = examine(PASSES_ON, **TRUSTED)["proxies"]

    assert found["state"] == "bad"
    assert "A forged address was believed" in found["words"]
    assert "proxy_set_header X-Forwarded-For $remote_addr" in found["remedy"]


@pytest.mark.parametrize("proxy", ["nginx", "small"], indirect=True)
@pytest.mark.parametrize(("behaviour", "word"), [(APPENDS, "appends to"), (REPLACES, "replaces")])
def test_a_trusted_proxy_that_says_who_asked_is_good(examine: Any, behaviour: Behaviour, word: str) -> None:  # noqa: ANN401
    found = examine(behaviour, **TRUSTED)

    assert found["proxies"]["state"] == "good"
    assert word in found["proxies"]["words"]
    assert found["proxies"]["words"].endswith("you come from 127.0.0.1.")
    assert found["host"]["state"] == found["paths"]["state"] == "good"
    assert "is no trusted proxy" not in found["log"]["words"]


def test_the_doctor_on_the_proxys_own_machine_is_not_mistaken_for_a_stranger(examine: Any) -> None:  # noqa: ANN401
    found = examine(APPENDS, trusted_proxies=["127.0.0.0/8"])["proxies"]

    assert found["state"] == "good"
    assert "a stranger's would not be" in found["words"]


@pytest.mark.parametrize(("behaviour", "word"), [(STRIPS, "sends no"), (WRITES_NONSENSE, "is no address")])
def test_a_trusted_proxy_that_does_not_say_who_asked_is_bad(examine: Any, behaviour: Behaviour, word: str) -> None:  # noqa: ANN401
    found = examine(behaviour, **TRUSTED)["proxies"]

    assert found["state"] == "bad"
    assert word in found["words"]


def test_a_trusted_proxy_that_writes_the_other_header_is_bad(examine: Any) -> None:  # noqa: ANN401
    def visit(url: str) -> None:
        assert "warning" in httpx.get(f"{url}/readyz").json()

    found = examine(STANDARD, then=visit, **TRUSTED)

    assert found["proxies"]["state"] == "bad"
    assert "sends no x-forwarded-for: client addresses are unknown" in found["proxies"]["words"]
    assert "web.forwarding_header" in found["proxies"]["remedy"]
    assert found["log"]["words"].count("sends no x-forwarded-for") == 1


def test_the_standard_header_is_judged_where_it_is_the_one(examine: Any) -> None:  # noqa: ANN401
    found = examine(STANDARD, forwarding_header="forwarded", **TRUSTED)

    assert found["proxies"]["state"] == "good"
    assert found["scheme"]["words"].startswith("People come by https")


def test_a_proxy_that_rewrites_host_and_path_is_looked_at(examine: Any) -> None:  # noqa: ANN401
    found = examine(REWRITES, **TRUSTED)

    assert found["host"]["state"] == found["paths"]["state"] == "look"
    assert "/auth/probe/doctor/" in found["paths"]["words"]
    assert found["proxies"]["state"] == "good"


def test_a_server_on_other_keys_does_not_answer(examine: Any, tmp_path: Path) -> None:  # noqa: ANN401
    other: list[str] = []

    def ask_from_elsewhere(url: str) -> None:
        data = tmp_path / "elsewhere"
        data.mkdir(mode=0o700)
        (data / "ostiary.toml").write_text(f'[web]\npublic_url = "{url}"\n')
        assert CliRunner().invoke(ostiary, ["migrate", "--data", str(data)]).exit_code == 0
        other.append(CliRunner().invoke(ostiary, ["doctor", "--json", "--data", str(data)]).output)

    examine(None, then=ask_from_elsewhere)

    found = {found["about"]: found for found in map(json.loads, other[0].splitlines())}
    assert found["proxies"]["state"] == "look"
    assert "does not know our probe" in found["proxies"]["words"]


def judged(**changed: Any) -> dict[str, tuple[str, str]]:  # noqa: ANN401
    """Return state and words of each finding, of a probe that a public proxy passed on untouched."""
    web = {"public_url": "https://login.example.org"} | changed.pop("web", {})
    seen: dict[str, Any] = {
        "peer": "203.0.113.7", "port": 5, "x_forwarded_for": [FORGED], "forwarded": [f"for={FORGED}"],
        "address": "203.0.113.7", "is_https": True, "host": "login.example.org", "path": PATH,
    } | changed  # fmt: skip
    own = ("10.0.0.9", 7)
    return {f.about: (f.state, f.words) for f in Judgement(Seen(**seen), own, WebSettings(**web)).findings()}


def test_what_cannot_be_told_apart_from_no_proxy_is_good() -> None:
    state, words = judged()["proxies"]
    assert state == "good"
    assert "you are 203.0.113.7" in words


def test_a_public_proxy_that_nobody_trusts_is_bad() -> None:
    state, words = judged(x_forwarded_for=[FORGED, "198.51.100.9"])["proxies"]
    assert state == "bad"
    assert "look like the proxy itself" in words


def test_a_private_address_behind_a_trusted_proxy_may_be_another_proxy() -> None:
    trusted = {"trusted_proxies": ["203.0.113.0/24"]}
    hops = {"x_forwarded_for": ["10.0.0.2"], "web": trusted}
    assert judged(address="10.0.0.2", **hops)["proxies"][0] == "look"
    assert judged(address="10.0.0.9", **hops)["proxies"][0] == "good"


@pytest.mark.parametrize(("redirects", "state"), [(True, "bad"), (False, "look")])
def test_a_scheme_that_is_not_known_leads_in_circles(*, redirects: bool, state: str) -> None:
    found = judged(is_https=False, web={"https_redirect": redirects})["scheme"]
    assert found[0] == state
    assert "in circles" in found[1]
    assert judged(web={"https_redirect": redirects})["scheme"][0] == "good"
