"""The `ostiary` command: one file a group, imported only when it is called."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from ostiary.core.errors import Misconfigured, Problem

# Where each lies, and what it does: `--help` imports none of them.
COMMANDS = {
    "alert": ("ostiary.cli.alerts", "alert", "List alerts, and test who hears of them."),
    "apikey": ("ostiary.cli.apikeys", "apikey", "List and revoke API keys, and find leaked ones in a text."),
    "breach": ("ostiary.cli.breach", "breach", "Build and ask the filter of breached passwords."),
    "csp": ("ostiary.cli.csp", "csp", "Read and forget reports of violated content policies."),
    "dev": ("ostiary.cli.serve", "dev", "Run a server for development: letters in the terminal and on a page."),
    "doctor": ("ostiary.cli.doctor", "doctor", "Check a deployment and say what to do."),
    "hash": ("ostiary.cli.hashing", "hashing", "Measure password hashes and choose their cost."),
    "incident": ("ostiary.cli.incident", "incident", "Block, end, replace, tell: for when somebody is in."),
    "journal": ("ostiary.cli.journal", "journal", "Read, export, sign, verify and prune the journal."),
    "key": ("ostiary.cli.keys", "key", "List, rotate and kill keys."),
    "machine": ("ostiary.cli.machines", "machine", "Open accounts for machines, and make API keys for them."),
    "mail": ("ostiary.cli.mail", "mail", "Look at letters, and at templates of your own."),
    "migrate": ("ostiary.cli.migrate", "migrate", "Bring the database up to date."),
    "provider": ("ostiary.cli.providers", "provider", "Set up and test providers that people sign in at."),
    "revocation": ("ostiary.cli.revocation", "revocation", "Let programs hear of ended sessions."),
    "risk": ("ostiary.cli.risk", "risk", "Explain verdicts on sign-ins, and try out another policy."),
    "role": ("ostiary.cli.roles", "role", "Make, show, change and delete roles: permissions given together."),
    "serve": ("ostiary.cli.serve", "serve", "Run the server."),
    "session": ("ostiary.cli.sessions", "session", "List and revoke sessions."),
    "user": ("ostiary.cli.users", "user", "Add, show, change, export and delete accounts."),
}


class Commands(click.Group):
    """A group that imports a command when it is asked for; `--help` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in sorted(COMMANDS)])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ostiary")
def ostiary() -> None:
    """Authentication and identity for Python teams.

    Start with `ostiary dev` to look around, `ostiary serve` to run it for
    people. All state lies under one data folder.
    """


def main() -> None:
    """Run the command; refusals and unsafe settings end it with words and not with a trace."""
    try:
        ostiary()
    except Misconfigured as unsafe:
        click.secho(f"This setting must not start:\n{unsafe}", fg="red", err=True)
        sys.exit(2)
    except Problem as problem:
        click.secho(f"{problem.title} {problem.detail or ''}".strip(), fg="red", err=True)
        sys.exit(1)
