"""Habits of the code that a reader relies on, kept by looking."""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase

from tests.architecture.source import modules, owner_of

LONGEST_FILE, LONGEST_FUNCTION = 400, 60

LONG_FUNCTIONS = {
    "wiring.Ostiary.__init__": "every part built once, in order: one line each, to be read from top to bottom",
    "migrations.versions.0001_first_shape.upgrade": "one table after the other; a migration is never called by halves",
}
"""Functions past 60 lines, and why."""

LIBRARIES = {
    # Cryptography in few hands: whoever reviews it reads these files (ASVS 11.1).
    "cryptography": (
        "client.*",
        "core.crypto",
        "core.secrets",
        "core.hash_formats.*",
        "passkeys.ceremony",
        "passkeys.attestation",
        "testing.authenticator",
    ),
    "fido2": ("passkeys.ceremony", "passkeys.attestation", "testing.authenticator"),
    "pyotp": ("totp.algorithm",),
    "segno": ("totp.picture",),
    "joserfc": ("client.*",),
    "argon2": ("core.hashing", "core.hash_formats.*"),
    "bcrypt": ("core.hash_formats.bcrypt",),
    "hmac": ("core.*", "sessions.service", "web.csrf", "client.*"),
    # Programs of others are started for one thing only.
    "subprocess": ("keys.root",),
    "click": ("cli*",),
    "granian": ("cli.serve",),
    "uvloop": ("cli.serve",),
    "aiosmtplib": ("mail.post", "cli.doctor"),
    "valkey": ("core.valkey",),
    "httpcore": ("core.outbound",),
    "phonenumbers": ("texts.numbers",),
    "standardwebhooks": ("alerts.sinks",),
    "pytest": ("pytest_plugin",),
}
"""Libraries that only some modules may import."""

NOWHERE = {
    "pickle": "reading one runs code (CWE-502)",
    "marshal": "as pickle",
    "shelve": "as pickle",
    "random": "its numbers can be foretold: take secrets",
    "xml": "entities",
    "requests": "blocks the loop: httpx",
    "sqlalchemy.orm": "rows are frozen structs: docs/decisions/0001-small-executor.md",
}
"""Libraries that nobody imports, and why."""


def test_a_file_is_read_in_a_sitting() -> None:
    long = [f"{module.path} has {module.lines} lines" for module in modules().values() if module.lines > LONGEST_FILE]
    assert not long, "split by verb:\n" + "\n".join(long)


def test_a_function_fits_in_a_glance() -> None:
    long = {}
    for module in modules().values():
        for function in module.functions():
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > LONGEST_FUNCTION:
                long[f"{module.name}.{owner_of(module, function.lineno)}"] = lines
    assert long.keys() <= LONG_FUNCTIONS.keys(), {name: long[name] for name in long.keys() - LONG_FUNCTIONS.keys()}


def test_libraries_stay_in_the_hands_they_were_given_to() -> None:
    wrong = []
    for module in modules().values():
        for source, _, line in module.imports():
            hands = LIBRARIES.get(source.partition(".")[0])
            if hands is not None and not any(fnmatchcase(module.name, hand) for hand in hands):
                wrong.append(f"{module.path}:{line} imports {source}")
    assert not wrong, "\n".join(wrong)


def test_some_libraries_are_imported_nowhere() -> None:
    wrong = []
    for module in modules().values():
        for source, name, line in module.imports():
            for banned, why in NOWHERE.items():
                if f"{source}.{name}.".startswith(f"{banned}."):
                    wrong.append(f"{module.path}:{line} imports {banned}: {why}")
    assert not wrong, "\n".join(wrong)


def test_no_except_is_bare() -> None:
    wrong = [
        f"{module.path}:{node.lineno}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not wrong, f"name what is caught: {wrong}"


def test_only_the_command_line_prints() -> None:
    wrong = [
        f"{module.path}:{call.lineno}"
        for module in modules().values()
        if module.slice != "cli"
        for call in module.calls()
        if isinstance(call.func, ast.Name) and call.func.id in {"print", "breakpoint", "eval", "exec"}
    ]
    assert not wrong, wrong


def test_time_is_passed_in() -> None:
    """The wall clock is read in one place, so that a test can turn it."""
    # A letter's Date header tells when it really left; the doctor compares the machine's own clock.
    may = {"core.clock", "mail.post", "cli.doctor"}
    wrong = [
        f"{module.path}:{call.lineno}"
        for module in modules().values()
        if module.name not in may
        for call in module.calls()
        if ast.unparse(call.func) in {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "date.today"}
    ]
    assert not wrong, wrong


def test_every_file_says_what_it_is() -> None:
    silent = [module.path for module in modules().values() if module.lines and not ast.get_docstring(module.tree)]
    assert not silent, silent
