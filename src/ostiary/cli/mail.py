"""`ostiary mail`: the templates of letters, before anybody reads one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ostiary.cli.common import data_option

if TYPE_CHECKING:
    from ostiary.mail import Letters

templates_option = click.option(
    "--templates", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Look at this folder instead of the setting mail.templates.",
)  # fmt: skip


@click.group()
def mail() -> None:
    """Look at letters, and at templates of your own."""


@mail.command()
@data_option
@templates_option
def check(data: Path, templates: Path | None) -> None:
    """Look for what is wrong with templates of your own, as the server does when it starts.

    Exits with 1 if letters are missing, and with 2 if any is broken.
    """
    from ostiary.mail import look_through, own_files  # noqa: PLC0415

    letters = _letters(data, templates)
    folder = letters.templates.folder
    if folder is None:
        click.echo("There are no templates of your own: every letter is as it was shipped.")
        return
    found = look_through(letters)
    for finding in found:
        sign, colour = ("✗", "red") if finding.is_broken else ("!", "yellow")
        click.echo(f"{click.style(sign, fg=colour)} {finding}")
    languages = ", ".join(letters.languages.tags)
    click.echo(f"{len(own_files(folder))} templates in {folder}, letters in {languages}, {len(found)} findings.")
    raise SystemExit(2 if any(finding.is_broken for finding in found) else int(bool(found)))


@mail.command()
@data_option
@templates_option
@click.argument("kind")
@click.option("--language", help="Such as de; without it the default of the deployment.")
@click.option("--html", "as_html", is_flag=True, help="Print the HTML, to be opened in a browser.")
def show(data: Path, templates: Path | None, kind: str, language: str | None, as_html: bool) -> None:
    """Print a letter of a KIND with made-up facts.

    The kinds are those of docs/guides/letters.md; a wrong one lists them.
    """
    from ostiary.mail import KINDS, sample  # noqa: PLC0415

    letters = _letters(data, templates)
    if kind not in KINDS:
        raise click.ClickException(f"There is no kind {kind!r}. There are: {', '.join(sorted(KINDS))}.")
    if language is not None and letters.languages.find(language) is None:
        raise click.ClickException(f"No letters go in {language!r}; they go in {', '.join(letters.languages.tags)}.")
    letter = letters.compose(kind, "mira@example.org", language=language, **sample(kind))
    click.echo(letter.html if as_html else f"Subject: {letter.subject}\n\n{letter.text}")


@mail.command()
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write into.")
@click.option("--language", "tags", multiple=True, help="Only this language, and what all share. Can be repeated.")
def templates(to: Path, tags: tuple[str, ...]) -> None:
    """Write the shipped templates into a folder, to start from. A file that is there is left alone.

    Keep only those that you change: the others would stay behind when
    Ostiary's own are corrected.
    """
    from ostiary.mail import SHIPPED  # noqa: PLC0415

    known = sorted(path.name for path in SHIPPED.iterdir() if path.is_dir())
    if unknown := set(tags) - set(known):
        raise click.ClickException(f"No letters are shipped in {', '.join(sorted(unknown))}; {', '.join(known)} are.")
    written = kept = 0
    for path in sorted(SHIPPED.rglob("*.*")):
        below = path.relative_to(SHIPPED)
        if tags and len(below.parts) > 1 and below.parts[0] not in tags:
            continue
        if (to / below).exists():
            kept += 1
            continue
        (to / below).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to / below)
        written += 1
    click.echo(f"{written} templates written to {to}; {kept} were there already.")


def _letters(data: Path, templates: Path | None) -> Letters:
    """Return what would compose letters of a deployment, broken or not.

    Raises:
        Misconfigured: A setting is unknown or unsafe.
    """
    from ostiary.mail import Letters  # noqa: PLC0415
    from ostiary.settings import load  # noqa: PLC0415

    own = {"mail": {"templates": templates}} if templates else None
    settings = load(data.absolute(), own)
    return Letters(settings.web.product_name, settings.web.public_url, settings=settings.mail)
