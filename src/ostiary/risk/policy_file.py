"""A policy as a file: written to start from, read to try out."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from ostiary.core.errors import Misconfigured
from ostiary.risk.settings import Policy, RiskSettings

if TYPE_CHECKING:
    from pathlib import Path

SECTION = "risk"


def policy_text(policy: Policy) -> str:
    """Return a policy as the sections of `ostiary.toml`, each line with its meaning."""
    lines: list[str] = []
    _write(lines, SECTION, policy, Policy.model_fields)
    return "\n".join(lines) + "\n"


def policy_in(path: Path) -> Policy:
    """Return the policy in a file with a `[risk]` section, such as an `ostiary.toml`; what it leaves out is default.

    Raises:
        Misconfigured: It cannot be read, has no such section, or the section is no policy; says why.
    """
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as wrong:
        raise Misconfigured(f"{path} cannot be read: {type(wrong).__name__}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise Misconfigured(f"{path} is not TOML: {wrong}") from None
    section = document.get(SECTION)
    if not isinstance(section, dict):
        raise Misconfigured(f"{path} has no section [{SECTION}]; `ostiary risk policy` prints one to start from")
    try:
        return RiskSettings.model_validate(section)
    except ValidationError as wrong:
        found = [(".".join(map(str, error["loc"])), error["msg"]) for error in wrong.errors(include_input=False)]
        words = "\n".join(f"{path}: {SECTION}.{name}: {message}".replace(".:", ":") for name, message in found)
        raise Misconfigured(words) from None


def _write(lines: list[str], section: str, model: BaseModel, names: Any) -> None:  # noqa: ANN401 - pydantic's fields
    fields = type(model).model_fields
    plain = [name for name in names if not isinstance(getattr(model, name), BaseModel)]
    lines.append(f"[{section}]")
    lines += [f"{name} = {getattr(model, name)!r}  # {fields[name].description}" for name in plain]
    for name in names:
        below = getattr(model, name)
        if isinstance(below, BaseModel):
            lines.append("")
            _write(lines, f"{section}.{name}", below, type(below).model_fields)
