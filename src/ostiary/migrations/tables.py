"""Every table of the house, imported in one place for the migrations."""

from __future__ import annotations

import ostiary.alerts.models
import ostiary.apikeys.models
import ostiary.audit.models
import ostiary.codes.models
import ostiary.csp_reports.models
import ostiary.federation.models
import ostiary.incident.models
import ostiary.keys.models
import ostiary.login.models
import ostiary.magiclinks.models
import ostiary.passkeys.models
import ostiary.passwords.models
import ostiary.protection.models
import ostiary.risk.models
import ostiary.sessions.models
import ostiary.texts.models
import ostiary.totp.models  # noqa: F401 - imported for their tables
from ostiary.accounts.models import add_partial_indexes
from ostiary.core.tables import metadata

add_partial_indexes()

__all__ = ["metadata"]
