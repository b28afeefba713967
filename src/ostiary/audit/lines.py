"""The first and the last line of an export in JSON Lines; known to who writes and to who verifies."""

from __future__ import annotations

import msgspec

from ostiary.audit.statement import End
from ostiary.core.clock import Millis

KIND, END = "ostiary-journal", "end"


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: what the export holds, and the checkpoint that says where each strand begins."""

    kind: str
    version: int
    at: Millis
    sealed: bool
    filters: tuple[str, ...]
    checkpoint: str


class Footer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: how far the strands go, the checkpoint that says so, and the house's word for all before it."""

    kind: str
    entries: int
    register: int
    strands: tuple[End, ...]
    checkpoint: str
    signature: str
