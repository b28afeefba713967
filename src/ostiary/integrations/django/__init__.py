"""A Django project that trusts an Ostiary elsewhere; for `INSTALLED_APPS`, and for asking who is calling in views."""

from __future__ import annotations

from ostiary.client.identity import Identity
from ostiary.client.problems import Refusal
from ostiary.integrations.django.asking import OstiaryRequest, current_account, optional_account, require
from ostiary.integrations.django.users import RemoteUser

__all__ = [
    "Identity", "OstiaryRequest", "Refusal", "RemoteUser", "current_account", "optional_account", "require",
]  # fmt: skip
