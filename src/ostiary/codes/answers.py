"""The JSON shape of new recovery codes."""

from __future__ import annotations

from ostiary.web.answers import Answer


class RecoveryCodesAnswer(Answer):
    """New codes, shown once; all older ones are dead."""

    recovery_codes: list[str]
