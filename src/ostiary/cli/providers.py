"""`ostiary provider`: where people may sign in besides."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from ostiary.cli.common import data_option, keeper, run_with_house

if TYPE_CHECKING:
    from ostiary.wiring import Ostiary

PRESETS = ("google", "github", "microsoft", "apple", "gitlab")
SIGNS = {"good": ("ok  ", "green"), "bad": ("FAIL", "red"), "unknown": ("?   ", "yellow")}


@click.group()
def provider() -> None:
    """Set up, look at, test and remove providers that people sign in at."""


@provider.command()
@data_option
@click.argument("name")
@click.option("--client-id", required=True, help="What the provider calls this house.")
@click.option("--preset", type=click.Choice(PRESETS), help="Default: the one of that name, if there is one.")
@click.option("--issuer", default="", help="Issuer of an OpenID provider, or the URL of a GitHub Enterprise.")
@click.option("--label", default="", help="Name on the button.")
@click.option("--scope", "scopes", multiple=True, help="Asked for besides what signing in needs; several times.")
@click.option("--host", "hosts", multiple=True, help="A host besides the issuer's that is the provider's own.")
@click.option("--addresses", type=click.Choice(["never", "verified", "always"]), help="Whose addresses are proof.")
@click.option("--no-new-accounts", is_flag=True, help="Only who is connected already signs in.")
@click.option("--keep-tokens", is_flag=True, help="Keep what the provider gives, so that applications can act.")
@click.option("--tenant", default="", help="Microsoft: the directory's id, or common.")
@click.option("--team-id", default="", help="Apple: the team's id.")
@click.option("--key-id", default="", help="Apple: the id of the private key.")
@click.option(
    "--private-key", type=click.File("r"), help="Apple: file with the private key (PEM), - is standard input."
)
@click.option("--no-secret", is_flag=True, help="The provider has given no secret (a public client).")
def add(
    data: Path, name: str, private_key: TextIO | None, no_secret: bool, no_new_accounts: bool,
    **told: object,
) -> None:  # fmt: skip
    """Set a provider up, or set it up anew; asks for the secret, or reads it from a pipe."""
    from pydantic import ValidationError  # noqa: PLC0415

    from ostiary.federation import ProviderSettings  # noqa: PLC0415

    key = private_key.read() if private_key is not None else ""
    secret = "" if key or no_secret else _secret()
    try:
        settings = ProviderSettings.model_validate(
            {**told, "client_secret": secret, "private_key": key, "opens_accounts": not no_new_accounts}
            | ({"client_authentication": "none"} if no_secret else {})
        )
    except ValidationError as wrong:
        raise click.ClickException("; ".join(error["msg"] for error in wrong.errors(include_input=False))) from None

    async def errand(house: Ostiary) -> None:
        added = await house.providers.keep(keeper(), name, settings)
        click.echo(f"{added.label} is set up. Register this callback there:")
        click.echo(house.federation.callback_of(name))
        click.echo(f"Then look whether it works: ostiary provider test {name}")

    run_with_house(data, errand)


def _secret() -> str:
    """Return the secret, from a pipe or typed unseen; never from an argument, which shells remember."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    typed: str = click.prompt("Client secret", hide_input=True)
    return typed


@provider.command("list")
@data_option
def list_providers(data: Path) -> None:
    """Show every provider, where its configuration stands, and its callback."""

    async def errand(house: Ostiary) -> None:
        for one in await house.providers.every():
            click.echo(f"{one.slug:16} {one.label:20} {one.origin:9} addresses: {one.addresses:9} {one.issuer}")
            click.echo(f"{'':16} callback {house.federation.callback_of(one.slug)}")

    run_with_house(data, errand)


@provider.command()
@data_option
@click.argument("name")
def test(data: Path, name: str) -> None:
    """Look at document, clock, keys, redirect address and secret of a provider, and say what to do."""

    async def errand(house: Ostiary) -> bool:
        findings = await house.federation.examine(name)
        for finding in findings:
            sign, colour = SIGNS[finding.verdict]
            click.echo(f"{click.style(sign, fg=colour)} {finding.about}: {finding.words}")
        return all(finding.verdict != "bad" for finding in findings)

    if not run_with_house(data, errand):
        sys.exit(1)


@provider.command()
@data_option
@click.argument("name")
@click.confirmation_option(prompt="Nobody signs in there any more, also those who have no other way in. Remove it?")
def remove(data: Path, name: str) -> None:
    """Let nobody sign in at a provider any more; connections stay, for when it is set up again."""

    async def errand(house: Ostiary) -> None:
        await house.providers.remove(keeper(), name)
        click.echo(f"{name} is removed.")

    run_with_house(data, errand)


@provider.command()
@data_option
def reseal(data: Path) -> None:
    """Encrypt what is kept of providers anew under the current data key, so that an older one can be killed."""

    async def errand(house: Ostiary) -> None:
        secrets, tokens = await house.providers.reseal(keeper()), await house.upstream_tokens.reseal()
        click.echo(f"{secrets} secrets of providers and tokens of {tokens} connections are sealed anew.")

    run_with_house(data, errand)
