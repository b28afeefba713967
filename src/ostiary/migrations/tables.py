"""Every table of the house, imported in one place for the migrations."""

from __future__ import annotations

import ostiary.accounts.models
import ostiary.keys.models
import ostiary.passwords.models
import ostiary.sessions.models  # noqa: F401 - imported for their tables
from ostiary.core.tables import metadata

__all__ = ["metadata"]
