"""`ostiary revocation`: who may hear of ended sessions."""

from __future__ import annotations

import click


@click.group()
def revocation() -> None:
    """Let programs hear of ended sessions."""


@revocation.command()
def reader() -> None:
    """Make a secret for a program that reads the feed, and the line by which this house knows it.

    The secret is shown once and stored nowhere; the house keeps its digest.
    """
    from ostiary.revocation import new_reader  # noqa: PLC0415 - `--help` needs none of it

    secret, digest = new_reader()
    click.echo(f"The program's secret, shown this once:\n  {secret}")
    click.echo(f'To add to [revocation] readers in ostiary.toml:\n  "{digest}"')
