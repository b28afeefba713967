"""What a check of the doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PATIENCE_SECONDS = 15
"""With the public address: the first page of a server that was just started is loaded meanwhile."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and the remedy where there is something to mend."""

    about: str
    state: Literal["good", "look", "bad"]
    words: str
    remedy: str = ""
