"""Keys for programs and machines."""

from ostiary.apikeys.digests import Digests
from ostiary.apikeys.errors import ApiKeyRefused, ApiKeyRotated, NoSuchApiKey, TooManyApiKeys
from ostiary.apikeys.form import Found, KeyName, found_in, read
from ostiary.apikeys.guard import ApiKeyGuard, KeyIdentity
from ostiary.apikeys.queries import ApiKey
from ostiary.apikeys.service import ApiKeys, Issued
from ostiary.apikeys.settings import ApiKeySettings
from ostiary.apikeys.wanted import NewKey, read_instant

__all__ = [
    "ApiKey",
    "ApiKeyGuard",
    "ApiKeyRefused",
    "ApiKeyRotated",
    "ApiKeySettings",
    "ApiKeys",
    "Digests",
    "Found",
    "Issued",
    "KeyIdentity",
    "KeyName",
    "NewKey",
    "NoSuchApiKey",
    "TooManyApiKeys",
    "found_in",
    "read",
    "read_instant",
]
