"""Settings that are unsafe, unknown or of the wrong kind stop the start, with their name and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ostiary.core.errors import Misconfigured
from ostiary.settings import Settings, load
from ostiary.wiring import Ostiary

HTTPS = "https://login.example.org"

UNSAFE: list[tuple[str, Any, str, str]] = [
    # section.name, value, the name in the message, the remedy in the message
    ("web.public_url", "http://login.example.org", "web.public_url", "https"),
    ("web.public_url", "http://192.168.1.4:8080", "web.public_url", "https"),
    ("web.public_url", "http://localhost.example.org", "web.public_url", "https"),
    ("web.public_url", "ftp://localhost", "web.public_url", "https://"),
    ("web.public_url", "login.example.org", "web.public_url", "https://login.example.org"),
    ("web.public_url", "https://login.example.org/auth", "web.public_url", "host and port only"),
    ("web.public_url", "https://login.example.org?x=1", "web.public_url", "host and port only"),
    ("web.public_url", "https://user:pw@login.example.org", "web.public_url", "host and port only"),
    ("web.public_url", "https://*.example.org", "web.public_url", "one host"),
    ("web.public_url", "https://a b.example.org", "web.public_url", "one host"),
    ("web.public_url", "https://login.example.org:99999", "web.public_url", ""),
    ("web.cors_origins", ["*"], "web.cors_origins", "list each"),
    ("web.cors_origins", ["https://*.example.org"], "web.cors_origins", "list each"),
    ("web.cors_origins", ["null"], "web.cors_origins", "list each"),
    ("web.cors_origins", ["http://app.example.org"], "web.cors_origins", "must be https"),
    ("web.cors_origins", ["https://app.example.org/"], "web.cors_origins", "without a path"),
    ("web.cors_origins", ["https://APP.example.org"], "web.cors_origins", "lower case"),
    ("web.cors_origins", ["https://app.example.org:443"], "web.cors_origins", "must look like"),
    ("web.cors_origins", ["https://user@app.example.org"], "web.cors_origins", "must look like"),
    ("web.cors_origins", "https://app.example.org", "web.cors_origins", ""),
    ("web.trusted_proxies", ["0.0.0.0/0"], "web.trusted_proxies", "name the proxies' networks"),
    ("web.trusted_proxies", ["::/0"], "web.trusted_proxies", "name the proxies' networks"),
    ("web.trusted_proxies", ["0.0.0.0/1", "128.0.0.0/1"], "web.trusted_proxies", "name the proxies' networks"),
    ("web.trusted_proxies", ["::ffff:0:0/96"], "web.trusted_proxies", "IPv4"),
    ("web.trusted_proxies", ["*"], "web.trusted_proxies", "such as 10.0.0.0/24"),
    ("web.trusted_proxies", ["proxy.example.org"], "web.trusted_proxies", "such as 10.0.0.0/24"),
    ("web.trusted_proxies", ["10.0.0.5/24"], "web.trusted_proxies", "such as 10.0.0.0/24"),
    ("web.forwarding_header", "x-real-ip", "web.forwarding_header", "'x-forwarded-for' or 'forwarded'"),
    ("web.largest_body", 0, "web.largest_body", "1024"),
    ("web.largest_body", 10**9, "web.largest_body", "1048576"),
    ("web.largest_headers", 1, "web.largest_headers", "4096"),
    ("web.cookies", {"access": "a b"}, "web.cookies.access", ""),
    ("web.cookies", {"access": "a;b"}, "web.cookies.access", ""),
    ("web.cookies", {"access": "__Host-x"}, "web.cookies.access", "different"),
    ("web.cookies", {"access": "x", "refresh": "x"}, "web.cookies", "different"),
    ("web.cookies", {"domain": "evil.example"}, "cookies.domain", "host of public_url"),
    ("web.cookies", {"domain": "org"}, "web.cookies.domain", "a domain of your own"),
    ("web.cookies", {"domain": "example.org; HttpOnly"}, "web.cookies.domain", "a domain of your own"),
    ("keys.root_secret", "short", "keys.root_secret", "python3 -c"),
    ("keys.root_secret", "a" * 64, "keys.root_secret", "python3 -c"),
    ("keys.root_secret", "", "keys.root_secret", "python3 -c"),
    ("keys.algorithm", "HS256", "keys.algorithm", "'ES256'"),
    ("keys.algorithm", "none", "keys.algorithm", "'ES256'"),
    ("protection.lockout_failures", 101, "protection.lockout_failures", "100"),
    ("protection.lockout_failures", 0, "protection.lockout_failures", "1"),
    ("protection.counters", "redis", "protection.counters", "'memory'"),
]  # fmt: skip


def overrides(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a file holds
    section, _, last = name.partition(".")
    found: dict[str, Any] = {section: {last: value}}
    if "cookies" in name:
        found["web"]["public_url"] = HTTPS
    return found


@pytest.mark.parametrize(("name", "value", "named", "remedy"), UNSAFE)
def test_an_unsafe_setting_stops_the_start_by_name_and_with_a_remedy(
    tmp_path: Path,
    name: str,
    value: Any,  # noqa: ANN401 - whatever a file holds
    named: str,
    remedy: str,
) -> None:
    if (name, value) == ("web.cookies", {"access": "__Host-x"}):
        remedy = ""  # the prefix is ours to give
    with pytest.raises(Misconfigured) as stop:
        Ostiary.at(tmp_path, **overrides(name, value))

    said = str(stop.value)
    assert named in said
    assert remedy in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("web.public_url", "http://localhost:8080"),
        ("web.public_url", "http://127.0.0.1:8080"),
        ("web.public_url", "http://app.localhost:8080"),
        ("web.public_url", "http://[::1]:8080"),
        ("web.public_url", "https://login.example.org/"),
        ("web.public_url", "https://xn--mnchen-3ya.example:8443"),
        ("web.cors_origins", ["https://app.example.org", "http://localhost:3000"]),
        ("web.trusted_proxies", ["10.0.0.0/8", "fd00::/16", "192.0.2.7/32"]),
        ("web.cookies", {"domain": "example.org"}),
        ("web.cookies", {"domain": "login.example.org"}),
    ],
)
def test_a_safe_setting_stands(tmp_path: Path, name: str, value: Any) -> None:  # noqa: ANN401
    assert load(tmp_path, overrides(name, value))


@pytest.mark.parametrize("spelled", ["publik_url", "Public_url", "public-url", "trust_all", "cookies.acess"])
def test_an_unknown_key_in_the_file_stops_the_start(tmp_path: Path, spelled: str) -> None:
    (tmp_path / "ostiary.toml").write_text(f'[web]\n{spelled} = "x"\n')

    with pytest.raises(Misconfigured, match=rf"web\.{spelled} is no setting of Ostiary: remove it, or correct"):
        Ostiary.at(tmp_path)


def test_an_unknown_section_in_the_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "ostiary.toml").write_text("[webb]\nx = 1\n")

    with pytest.raises(Misconfigured, match="webb is no setting"):
        Ostiary.at(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OSTIARY_WEB__PUBLIK_URL", "x", "web.publik_url is no setting"),
        ("OSTIARY_WEBB__PUBLIC_URL", "x", "webb is no setting"),
        ("OSTIARY_PUBLIC_URL", "x", "OSTIARY_PUBLIC_URL is no setting: names look like OSTIARY_WEB__PUBLIC_URL"),
        ("OSTIARY_WEB", "x", "OSTIARY_WEB__SETTING"),
        ("OSTIARY_WEB__PUBLIC_URL__MORE", "x", "web.public_url"),
        ("OSTIARY_WEB__PUBLIC_URL", "http://login.example.org", "web.public_url"),
        ("OSTIARY_WEB__CORS_ORIGINS", '["*"]', "web.cors_origins"),
        ("OSTIARY_WEB__CORS_ORIGINS", "[", "web.cors_origins"),
        ("OSTIARY_WEB__LARGEST_BODY", "much", "web.largest_body"),
        ("OSTIARY_SESSIONS__ACCESS_LIFETIME", "soon", "sessions.access_lifetime"),
    ],
)
def test_the_environment_is_read_as_strictly(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(Misconfigured) as stop:
        load(tmp_path, environment={name: value})

    assert said in str(stop.value)


def test_a_setting_is_no_table_of_others(tmp_path: Path) -> None:
    both = {"OSTIARY_WEB__PUBLIC_URL": "https://login.example.org", "OSTIARY_WEB__PUBLIC_URL__MORE": "x"}

    with pytest.raises(Misconfigured, match="OSTIARY_WEB__PUBLIC_URL__MORE: public_url is set already"):
        load(tmp_path, environment=both)


def test_a_table_and_a_member_of_it_may_both_stand_in_the_environment(tmp_path: Path) -> None:
    both = {"OSTIARY_WEB__COOKIES": '{"access": "at"}', "OSTIARY_WEB__COOKIES__REFRESH": "rt"}
    for environment in (both, dict(reversed(both.items()))):
        cookies = load(tmp_path, environment=environment).web.cookies
        assert (cookies.access, cookies.refresh) == ("at", "rt")


@pytest.mark.parametrize("text", ["[web", "web = 3", "[[web]]", "[web]\nlargest_body = 'x'", "[web]\ncookies = 1"])
def test_a_file_of_the_wrong_kind_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "ostiary.toml").write_text(text)

    with pytest.raises(Misconfigured, match=r"web|not TOML"):
        Ostiary.at(tmp_path)


def test_a_file_that_is_no_text_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "ostiary.toml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(Misconfigured, match=r"ostiary\.toml is not TOML"):
        Ostiary.at(tmp_path)


@pytest.mark.parametrize(
    ("section", "name", "secret"),
    [
        ("keys", "root_secret", "hunter2hunter2"),
        ("storage", "database", "mysql://user:hunter2hunter2@db/x"),
        ("web", "public_url", "https://user:hunter2hunter2@login.example.org"),
    ],
)
def test_no_message_repeats_a_secret(tmp_path: Path, section: str, name: str, secret: str) -> None:
    wrong: dict[str, Any] = {section: {name: secret}}
    with pytest.raises((Misconfigured, ValueError)) as stop:
        Ostiary.at(tmp_path, **wrong)

    assert "hunter2" not in str(stop.value)
    assert stop.value.__cause__ is None
    assert "hunter2" not in repr(stop.value.__context__ if not stop.value.__suppress_context__ else "")


def test_a_root_secret_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    Ostiary.at(tmp_path)
    (tmp_path / "root.secret").chmod(0o644)

    with pytest.raises(Misconfigured, match=r"root_secret_file .* can be read by others\. Repair: chmod 600"):
        Ostiary.at(tmp_path)


def test_a_short_root_secret_in_a_file_or_from_a_command_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("short")
    file.chmod(0o600)

    for keys in ({"root_secret_file": str(file)}, {"root_secret_command": f"cat {file}"}):
        with pytest.raises(Misconfigured, match=r"keys\.root_secret is too weak.*python3 -c"):
            Ostiary.at(tmp_path, keys=keys)


def test_secrets_stay_out_of_the_settings_own_picture() -> None:
    settings = Settings.model_validate(
        {"keys": {"root_secret": "hunter2" * 6}, "storage": {"database": "postgresql://u:hunter2@h/d"}}
    )

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
