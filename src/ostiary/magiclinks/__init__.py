"""Sign-in links by mail, with a code as fallback."""

from ostiary.magiclinks.answers import Browser, Offer, Opened, Proof, Typed
from ostiary.magiclinks.errors import LinkCodeNotValid, LinksNotOffered
from ostiary.magiclinks.service import LIFETIME, MagicLinks
from ostiary.magiclinks.settings import MagicLinkSettings

__all__ = [
    "LIFETIME",
    "Browser",
    "LinkCodeNotValid",
    "LinksNotOffered",
    "MagicLinkSettings",
    "MagicLinks",
    "Offer",
    "Opened",
    "Proof",
    "Typed",
]
