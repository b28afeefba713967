"""Templates of the operator's own: a file of the same name wins, and a broken one is found before there is a letter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ostiary.cli import ostiary
from ostiary.core.errors import Misconfigured
from ostiary.mail import KINDS, SHIPPED, Letters, MailSettings, look_through, refuse_broken, sample
from ostiary.wiring import Ostiary

ORIGIN = "https://id.example.org"
TEXT = "Subject: Hi from {{ product }}\n\n{{ username }}: {{ link }} ({{ hours }})\n"
HTML = '{% extends "letter.html" %}{% block letter %}<a href="{{ link }}">{{ hours }}</a>{% endblock %}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "letters"
    place.mkdir()
    return place


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def letters(folder: Path, **settings: object) -> Letters:
    mail = MailSettings.model_validate({"templates": folder} | settings)
    return Letters("Acme", ORIGIN, settings=mail)


def found(folder: Path, **settings: object) -> list[str]:
    return [str(finding) for finding in look_through(letters(folder, **settings))]


def run(*words: object) -> Result:
    return CliRunner().invoke(ostiary, ["mail", *map(str, words)])


def test_a_file_of_the_same_name_wins_with_its_subject_and_only_in_its_language(folder: Path) -> None:
    write(folder, "en/confirm_address.txt", TEXT)
    write(folder, "end.txt", "\nYours, all of {{ product }}")
    own = letters(folder)
    refuse_broken(own)
    facts = sample("confirm_address")

    english = own.compose("confirm_address", "mira@example.org", **facts)
    german = own.compose("confirm_address", "mira@example.org", language="de", **facts)

    assert english.subject == "Hi from Acme"
    assert english.text == f"mira: {ORIGIN}/auth/confirm?token=not-a-real-one (24)"
    assert "An account at Acme" not in english.html  # the other form is as shipped
    assert "Confirm this address" in english.html
    assert german.subject == "Bestätigen Sie Ihre Adresse für Acme"
    assert german.text.endswith("Yours, all of Acme")


def test_a_layout_of_ones_own_holds_for_every_letter_in_every_language(folder: Path) -> None:
    layout = (SHIPPED / "letter.html").read_text().replace("<body", '<body id="acme"')
    write(folder, "letter.html", layout.replace("{{ product }}</td>", '{% include "logo.html" %}</td>'))
    write(folder, "logo.html", '<img alt="{{ product }}" src="{{ public_url }}/logo.png">')
    own = letters(folder)
    refuse_broken(own)

    for language in ("en", "de"):
        html = own.compose("alert", "ada@example.org", language=language, **sample("alert")).html
        assert '<body id="acme"' in html
        assert f'<img alt="Acme" src="{ORIGIN}/logo.png">' in html


def test_a_language_of_ones_own_has_dates_of_its_own_and_what_it_lacks_goes_in_another(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("words.txt", "new_sign_in.txt", "new_sign_in.html"):
        write(folder, f"fr/{name}", (SHIPPED / "en" / name).read_text().replace("Hello", "Bonjour"))
    own = letters(folder)
    refuse_broken(own)

    assert own.languages.tags == ("de", "en", "fr")
    assert ("fr", "Français") in own.choices()
    french = own.compose("new_sign_in", "mira@example.org", language="fr", **sample("new_sign_in"))
    assert french.language == "fr"
    assert french.text.startswith("Bonjour")
    assert "22 novembre 2026, 08:13 UTC" in french.text
    other = own.compose("account_locked", "mira@example.org", language="fr", **sample("account_locked"))
    assert (other.language, other.subject) == ("en", "Wrong passwords for your account at Acme")
    assert "fr: these are missing" in caplog.text
    assert "account_locked.txt" in caplog.text


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "en/confirm_address.txt",
            TEXT + "{% if hours %}",
            "en/confirm_address.txt, line 4: Unexpected end of template",
        ),
        ("en/confirm_address.txt", TEXT + "{{ usernme }}", "en/confirm_address.txt, line 4: 'usernme' is not known"),
        (
            "en/confirm_address.txt",
            TEXT + "{% if hours > 48 %}\n{{ minutes }}{% endif %}",
            "en/confirm_address.txt, line 5: 'minutes' is not known here; this letter can say hours, link, place",
        ),
        (
            "en/confirm_address.txt",
            "Hello {{ username }} {{ link }}",
            "en/confirm_address.txt, line 1: it must begin with",
        ),
        ("de/confirm_address.txt", TEXT.replace("{{ link }}", "-"), "de/confirm_address.txt: it never says 'link'"),
        ("de/confirm_address.html", HTML.replace("{{ hours }}", "-"), "de/confirm_address.html: it never says 'hours'"),
        (
            "en/confirm_address.html",
            HTML.replace("</a>", "</a>\n{{ link | safe }}"),
            "en/confirm_address.html, line 2: No filter named 'safe'",
        ),
        (
            "en/confirm_address.html",
            HTML.replace("</a>", "</a>\n{{ link | urlize }}"),
            "line 2: No filter named 'urlize'",
        ),
        (
            "en/confirm_address.html",
            HTML.replace("<a ", "\n{% autoescape false %}{{ username }}{% endautoescape %}<a "),
            "en/confirm_address.html, line 2: escaping cannot be switched",
        ),
        (
            "en/confirm_address.html",
            HTML.replace("</a>", '</a>\n{% from "raw.txt" import raw %}{{ raw(username) }}'),
            "en/confirm_address.html: it does not escape 'username'",
        ),
        ("en/confirm_address.html", HTML.replace("{{ link }}", "/{{ link }}"), "leads to https://id.example.org only"),
        (
            "en/confirm_address.html",
            HTML.replace("</a>", '</a>\n<img src="//evil.example/x.png">'),
            "en/confirm_address.html, line 2: a letter leads to https://id.example.org only, and not to //evil.example",
        ),
        (
            "en/confirm_address.html",
            HTML.replace("<a ", '<img srcset="{{ public_url }}/a 1x, //e.test/b 2x"><a '),
            "(R30)",
        ),
        ("en/confirm_address.html", HTML.replace("<a ", '<a style="background:url(http://e.test)" '), "(R30)"),
        ("en/confirm_address.html", HTML.replace("<a ", "<style>@import 'http://e.test'</style><a "), "(R30)"),
        (
            "en/confirm_address.txt",
            TEXT + "https://id.example.org.evil.example/help",
            "en/confirm_address.txt, line 4: a letter leads to https://id.example.org only",
        ),
        ("en/end.txt", "\n{{ nobody }}", "en/end.txt, line 2: 'nobody' is undefined"),
        ("en/end.txt", "\n{% include 'gone.txt' %}", "en/end.txt, line 2: there is no gone.txt"),
        ("en/end.txt", "{{ 1 // 0 }}", "en/end.txt, line 1: "),
        ("en/words.txt", "{% set disown = 'No' %}", "en/words.txt: it lacks device, disown_does, if_dead"),
        ("parts.html", "{% macro p() %}{{ caller() }}{% endmacro %}", "parts.html: it lacks a, disown, facts"),
        ("de/confirm_adress.txt", TEXT, "de/confirm_adress.txt: no letter has a template of this name"),
        ("de/confirm_adress.txt", TEXT, "did you mean confirm_address.txt?"),
        ("confirm_address.txt", TEXT, "confirm_address.txt: it belongs into the folder of its language"),
        ("german/confirm_address.txt", TEXT, "german: a folder here is named by a language"),
        ("fr/confirm_address.txt", TEXT, "fr/words.txt: it is missing"),
        (
            "en/confirm_address.txt",
            TEXT.replace("Hi", "{{ '\\u202e' }}"),
            "en/confirm_address.txt, line 1: a subject is",
        ),
    ],
)
def test_what_is_broken_is_named_with_file_and_line(folder: Path, name: str, text: str, said: str) -> None:
    write(folder, name, text)
    if "raw.txt" in text:
        write(folder, "raw.txt", "{% macro raw(fact) %}{{ fact }}{% endmacro %}")

    assert [one for one in found(folder) if said in one], found(folder)
    with pytest.raises(Misconfigured, match=r"mail\.templates: letters from .* are broken\n"):
        refuse_broken(letters(folder))


def test_the_guide_tells_what_each_letter_can_say() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "letters.md").read_text()
    table = guide.partition("### What each letter can say")[2].partition("Every letter can also")[0]
    told: dict[str, set[str]] = {}
    for kinds, facts in re.findall(r"^\| (`.*?)(?: \(.*?\))? \| (.*) \|$", table, re.MULTILINE):
        told |= {kind: set(re.findall(r"`(\w+)`", facts)) for kind in re.findall(r"`(\w+)`", kinds)}

    assert told == KINDS


def test_text_that_is_not_utf_8_is_named(folder: Path) -> None:
    (folder / "de").mkdir()
    (folder / "de" / "alert.txt").write_bytes("Subject: Grüße".encode("latin-1"))

    assert found(folder) == ["de/alert.txt: it cannot be read as text in UTF-8 (UnicodeDecodeError)"]


def test_other_files_and_an_address_to_write_to_are_no_fault(folder: Path) -> None:
    write(folder, "README.md", "{{ whatever")
    write(folder, "de/.confirm_address.txt", "{% half")
    write(folder, "_drafts/confirm_address.txt", "{% half")
    write(folder, "en/confirm_address.html", HTML.replace("</a>", '</a><a href="mailto:help@example.org">help</a>'))

    assert found(folder) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"language": "fr"}, "mail.language: there are no letters in 'fr'; there are some in de, en"),
        ({"languages": ["en", "tlh"]}, "mail.languages: there are no letters in 'tlh'"),
        ({"languages": ["de"]}, "mail.language: the default must be one of mail.languages"),
    ],
)
def test_a_language_that_is_set_must_be_there(folder: Path, settings: dict[str, object], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        letters(folder, **settings)


@pytest.mark.parametrize(
    "sender",
    [
        "Acme <no-reply@example.org>\r\nBcc: eve@example.net", "a@example.org, b@example.org", "Acme", "", "a@",
        "Acme <a@example.org", "group: a@example.org;", "no-reply@example.org\x0b",
        "=?utf-8?q?x=0d=0aBcc:_e@x?= <a@b.example>",
    ],
)  # fmt: skip
def test_a_sender_is_one_mailbox_and_adds_no_header(tmp_path: Path, sender: str) -> None:
    """CWE-93."""
    with pytest.raises(Misconfigured, match=r"mail\.sender: must be one mailbox"):
        Ostiary.at(tmp_path / "data", mail={"sender": sender})


def test_a_broken_template_stops_the_start_in_a_sentence(tmp_path: Path, folder: Path) -> None:
    write(folder, "de/confirm_address.txt", TEXT + "{{ usernme }}")
    data = tmp_path / "data"
    data.mkdir()
    (data / "ostiary.toml").write_text(f'[mail]\ntemplates = "{folder}"\n')

    command = [sys.executable, "-m", "ostiary", "serve", "--port", "1", "--data", str(data)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert f"letters from {folder} are broken\nde/confirm_address.txt, line 4: 'usernme' is not known" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (data / "ostiary.db").exists()


def test_the_commands_write_check_and_show(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "own"
    assert "as it was shipped" in run("check", "--data", data).output
    (tmp_path / "own" / "de").mkdir(parents=True)
    write(folder, "de/alert.txt", "mine")
    written = run("templates", "--to", folder, "--language", "de")
    assert "1 were there already" in written.output
    assert (folder / "de" / "alert.txt").read_text() == "mine"
    assert not (folder / "en").exists()
    assert run("templates", "--to", folder, "--language", "fr").exit_code == 1
    broken = run("check", "--data", data, "--templates", folder)
    assert broken.exit_code == 2
    assert "✗ de/alert.txt, line 1: it must begin with 'Subject: …'" in broken.output
    (folder / "de" / "alert.txt").unlink()
    run("templates", "--to", folder)
    checked = run("check", "--data", data, "--templates", folder)
    assert checked.exit_code == 0, checked.output
    assert f"{len([*SHIPPED.rglob('*.*')])} templates in {folder}, letters in de, en, 0 findings." in checked.output

    for kind in KINDS:
        shown = run("show", kind, "--data", data, "--language", "de", "--templates", folder)
        assert shown.output.startswith("Subject: "), shown.output
    assert "Guten Tag mira," in run("show", "password_reset", "--data", data, "--language", "de").output
    assert "Hello mira," in run("show", "password_reset", "--data", data).output
    assert run("show", "password_reset", "--data", data, "--html").output.lstrip().startswith("<!doctype html>")
    assert "account_locked" in run("show", "nothing", "--data", data).output
    assert "No letters go in 'fr'" in run("show", "alert", "--data", data, "--language", "fr").output
    assert not data.exists()
