from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest
from jinja2 import TemplateNotFound, UndefinedError
from tests.web.pages.samples import CSRF, LANGUAGES, MIRA, NONCE, SESSIONS, Sample, samples

from ostiary.web.render import STATIC, Form, Renderer, instant, linked, utc_words

SAMPLES = samples()
NAMES = [sample.name for sample in SAMPLES]
OWN = ("/auth/", "/dev/", "#", "https://id.example.org/", "otpauth://totp/")
"""Where links lead: to the house, and to an authenticator app on the same device."""

HOSTILE = "\"'><img src=x onerror=alert(1)>{{ 7*7 }}"

Tag = tuple[str, dict[str, str | None]]


class Outline(HTMLParser):
    """Collects start tags, and the forms with the fields in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.forms: list[list[Tag]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = (tag, dict(attrs))
        self.tags.append(found)
        if tag == "form":
            self.forms.append([found])
        elif tag in {"input", "button"} and self.forms:
            self.forms[-1].append(found)

    def named(self, name: str) -> dict[str, str | None]:
        return next(attributes for _, attributes in self.tags if attributes.get("name") == name)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


def show(renderer: Renderer, sample: Sample) -> str:
    return renderer.page(sample.template, nonce=NONCE, **sample.context)


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_a_page_keeps_within_the_policy(renderer: Renderer, sample: Sample) -> None:
    for tag, attributes in Outline(show(renderer, sample)).tags:
        assert tag not in {"style", "base", "iframe", "object", "embed"}
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)
        for address in (attributes.get("href"), attributes.get("src")):
            assert address is None or address.startswith(OWN), address
        if tag == "script":
            assert attributes["nonce"] == NONCE
            assert attributes["src"]


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_every_form_is_a_post_with_the_token(renderer: Renderer, sample: Sample) -> None:
    for (_, form), *fields in Outline(show(renderer, sample)).forms:
        assert form["method"] == "post"
        assert (form["action"] or "").startswith("/auth/")
        assert [a["value"] for _, a in fields if a.get("name") == "csrf_token"] == [CSRF]


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_a_password_field_suits_a_password_manager(renderer: Renderer, sample: Sample) -> None:
    for _, *fields in Outline(show(renderer, sample)).forms:
        secrets = [a for _, a in fields if a.get("type") == "password"]
        for secret in secrets:
            assert secret["autocomplete"] in {"current-password", "new-password"}
            assert {"value", "maxlength", "minlength", "onpaste"}.isdisjoint(secret)
        if secrets:
            assert "username" in [(a.get("autocomplete") or "").partition(" ")[0] for _, a in fields]


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_a_page_has_one_heading_one_main_and_a_name(renderer: Renderer, sample: Sample) -> None:
    page = show(renderer, sample)
    tags = [tag for tag, _ in Outline(page).tags]

    assert tags.count("h1") == 1
    assert tags.count("main") == 1
    assert re.search(r"<title>[^<]{3,} · Ostiary</title>", page)


def test_what_a_person_typed_comes_back_escaped_and_kept(renderer: Renderer) -> None:
    form = Form({"username": HOSTILE, "password": "a secret phrase"}, {"username": [HOSTILE]}, HOSTILE)

    page = renderer.page("register.html", nonce=NONCE, csrf_token=CSRF, form=form)

    assert "<img" not in page
    assert Outline(page).named("username")["value"] == HOSTILE  # as typed, and not evaluated
    assert "a secret phrase" not in page


def test_what_others_chose_is_escaped_on_the_pages_of_the_house(renderer: Renderer) -> None:
    account = replace(MIRA, full_name=HOSTILE, email=HOSTILE)
    session = replace(SESSIONS[0], agent=HOSTILE, place=HOSTILE, address=HOSTILE, id=HOSTILE)
    shared = {"csrf_token": CSRF, "account": account, "flash": HOSTILE} | LANGUAGES

    assert "<img" not in renderer.page("account.html", nonce=NONCE, **shared)
    assert "<img" not in renderer.page("sessions.html", nonce=NONCE, sessions=[session], **shared)
    assert "<img" not in renderer.page("problem.html", nonce=NONCE, title=HOSTILE, detail=HOSTILE, status=400, **shared)


def test_an_error_is_tied_to_its_field_and_listed_first(renderer: Renderer) -> None:
    form = Form({"email": "mira@"}, {"email": ["The part after the @ is missing."]})

    page = renderer.page("register.html", nonce=NONCE, csrf_token=CSRF, form=form)
    outline = Outline(page)

    assert outline.named("email")["aria-invalid"] == "true"
    assert outline.named("email")["aria-describedby"] == "email-error"
    assert [a["id"] for _, a in outline.tags if a.get("id") == "email-error"] == ["email-error"]
    assert page.index('<a href="#email">') < page.index('id="email-error"')
    assert "<title>Error: " in page
    assert "aria-invalid" not in outline.named("username")


def test_an_error_of_no_visible_field_is_said_without_a_link(renderer: Renderer) -> None:
    form = Form(errors={"csrf_token": ["The page was open for too long."]})

    page = renderer.page("sign_in.html", nonce=NONCE, csrf_token=CSRF, form=form)

    assert "<li>The page was open for too long.</li>" in page


def test_a_forgotten_name_stops_the_page_instead_of_leaving_a_hole(renderer: Renderer) -> None:
    with pytest.raises(UndefinedError):
        renderer.page("sign_in.html", nonce=NONCE)
    with pytest.raises(TemplateNotFound):
        renderer.page("no_such_page.html", nonce=NONCE)


def test_only_known_reasons_become_words(renderer: Renderer) -> None:
    page = renderer.page("sign_in.html", nonce=NONCE, csrf_token=CSRF, reason="your account is hacked, call us")

    assert "hacked" not in page
    assert "Your address is confirmed." in renderer.page(
        "sign_in.html", nonce=NONCE, csrf_token=CSRF, reason="confirmed"
    )


def test_the_base_and_the_name_are_the_deployments_own() -> None:
    page = Renderer("Acme <id>", base="/door/").page("sign_in.html", nonce=NONCE, csrf_token=CSRF)

    assert "Sign in · Acme &lt;id&gt;" in page
    assert 'action="/door/sign-in"' in page
    assert "/auth/" not in page.replace("/api/v1/auth/", "")


def test_the_address_of_an_asset_names_its_content(renderer: Renderer) -> None:
    assert re.fullmatch(r"/auth/static/ostiary\.css\?v=[0-9a-f]{12}", renderer.asset("ostiary.css"))
    assert renderer.asset("once.js").split("=")[1] != renderer.asset("reveal.js").split("=")[1]
    with pytest.raises(LookupError):
        renderer.asset("../render.py")


def test_static_files_use_nothing_that_trusted_types_refuse_and_nothing_from_elsewhere() -> None:
    for file in STATIC.iterdir():
        text = file.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            file
        )
        assert not re.search(r"@import|url\((?!\"#)|https?://(?!www\.w3\.org/2000/svg)", text), file


def test_times_are_said_in_utc_whatever_their_zone() -> None:
    tokyo = datetime(2026, 3, 1, 5, 7, 9, tzinfo=timezone(timedelta(hours=9)))

    assert utc_words(tokyo) == "28 February 2026, 20:07 UTC"
    assert instant(tokyo) == "2026-02-28T20:07:09Z"
    with pytest.raises(ValueError, match="zone"):
        utc_words(datetime(2026, 3, 1))  # noqa: DTZ001 - the point of the test
    assert utc_words(tokyo.astimezone(UTC)) == utc_words(tokyo)


def test_only_web_addresses_in_a_letter_become_links() -> None:
    text = 'See https://id.example.org/c?a=1&b=2. Not javascript:alert(1) nor <b>"https://x.example"</b>'

    assert str(linked(text)) == (
        'See <a href="https://id.example.org/c?a=1&amp;b=2" rel="noreferrer">https://id.example.org/c?a=1&amp;b=2</a>. '
        "Not javascript:alert(1) nor &lt;b&gt;&#34;"
        '<a href="https://x.example" rel="noreferrer">https://x.example</a>&#34;&lt;/b&gt;'
    )
