"""Which providers there are: those of the settings, and those that the keeper has set up by command or API."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from pydantic import ValidationError

from ostiary.core.crypto import Unsealable
from ostiary.core.db import DatabaseUnavailable
from ostiary.core.errors import FieldError, InvalidFields
from ostiary.federation import queries
from ostiary.federation.errors import NoSuchProvider, ProviderIsSet
from ostiary.federation.provider import SLUG, Provider, ProviderSettings, resolve
from ostiary.federation.settings import FederationSettings

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.crypto import Sealer
    from ostiary.core.db import Database
    from ostiary.core.signals import Signals

log = logging.getLogger(__name__)

SIGNAL = "provider"
SECRETS: Final = ("client_secret", "private_key")
"""What is sealed of a provider's settings."""


class Choice(NamedTuple):
    """A button."""

    slug: str
    label: str


class Providers:
    """Every provider that people may sign in at. A section of the settings stands over a row of the same name.

    Whoever goes to a provider reads its row anew; only the buttons of pages are remembered.
    """

    def __init__(self, database: Database, sealer: Sealer, signals: Signals, settings: FederationSettings) -> None:
        self._database = database
        self._sealer = sealer
        self._set = {slug: resolve(slug, told) for slug, told in settings.providers.items()}
        self._rows: tuple[Provider, ...] = ()
        self._reloading: asyncio.Task[None] | None = None
        signals.on(SIGNAL, lambda _: self._wake())

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The buttons, by name; as they were a moment ago."""
        found = {provider.slug: provider for provider in (*self._rows, *self._set.values())}
        return tuple(Choice(slug, found[slug].label) for slug in sorted(found))

    async def get(self, slug: str) -> Provider:
        """Return a provider as it is now.

        Raises:
            NoSuchProvider: There is none of this name, or its secret cannot be read.
        """
        if not SLUG.fullmatch(slug):
            raise NoSuchProvider
        if slug in self._set:
            return self._set[slug]
        row = await self._database.find(queries.PROVIDER, slug=slug)
        provider = self._read(row) if row is not None else None
        if provider is None:
            raise NoSuchProvider
        return provider

    async def every(self) -> tuple[Provider, ...]:
        """Return every provider as it is now, by name."""
        await self.reload()
        found = {provider.slug: provider for provider in (*self._rows, *self._set.values())}
        return tuple(found[slug] for slug in sorted(found))

    async def reload(self) -> None:
        """Read the rows anew, for the buttons."""
        rows = await self._database.all(queries.PROVIDERS)
        self._rows = tuple(provider for row in rows if (provider := self._read(row)) is not None)

    # --- Keeping

    async def keep(self, caller: Caller, slug: str, told: ProviderSettings) -> Provider:
        """Set a provider up, or change one that was; its secrets lie sealed under a data key of the house.

        Raises:
            ProviderIsSet: The settings of the house say what it is.
            InvalidFields: Something is missing, or does not fit.
        """
        if slug in self._set:
            raise ProviderIsSet
        try:
            provider = resolve(slug, told, "database")
        except ValueError as wrong:  # in words of ours, without what was given for a secret
            raise InvalidFields(str(wrong), errors=(FieldError("settings", str(wrong), "provider"),)) from None
        secrets = {name: getattr(told, name) for name in SECRETS}
        written = told.model_dump_json(exclude=set(SECRETS), exclude_defaults=True)
        async with self._database.unit(caller) as unit:
            sealed = self._sealer.seal(msgspec.json.encode(secrets), place_of(slug))
            changed = await unit.run(queries.CHANGE_PROVIDER, at_slug=slug, told=written, kept=sealed, now=unit.now)
            if not changed:
                await unit.run(
                    queries.ADD_PROVIDER, slug=slug, settings=written, sealed=sealed, created_at=unit.now,
                    changed_at=unit.now,
                )  # fmt: skip
            host = urlsplit(provider.issuer).netloc
            if changed:
                unit.note("provider.changed", provider=slug, host=host)
            else:
                unit.note("provider.added", provider=slug, host=host)
            unit.signal(SIGNAL, slug)
        await self.reload()
        return provider

    async def remove(self, caller: Caller, slug: str) -> None:
        """Let nobody sign in there any more. Connections stay, and work again if it is set up anew.

        Raises:
            ProviderIsSet: The settings of the house say what it is.
            NoSuchProvider: There is none of this name.
        """
        if slug in self._set:
            raise ProviderIsSet
        async with self._database.unit(caller) as unit:
            if not await unit.run(queries.REMOVE_PROVIDER, at_slug=slug):
                raise NoSuchProvider
            unit.note("provider.removed", provider=slug)
            unit.signal(SIGNAL, slug)
        await self.reload()

    async def reseal(self, caller: Caller) -> int:
        """Seal every secret anew under the current data key, so that older ones can go; return how many."""
        done = 0
        async with self._database.unit(caller) as unit:
            for row in await unit.all(queries.PROVIDERS):
                plain = self._sealer.open(row.sealed, place_of(row.slug))
                done += await unit.run(
                    queries.CHANGE_PROVIDER, at_slug=row.slug, told=row.settings,
                    kept=self._sealer.seal(plain, place_of(row.slug)), now=row.changed_at,
                )  # fmt: skip
        return done

    # --- Between

    def _wake(self) -> None:
        self._reloading = asyncio.get_running_loop().create_task(self._reload_quietly(), name="providers")

    async def _reload_quietly(self) -> None:
        try:
            await self.reload()
        except DatabaseUnavailable:
            log.warning("providers could not be read; the buttons are as before")

    def _read(self, row: queries.StoredProvider) -> Provider | None:
        try:
            secrets = msgspec.json.decode(self._sealer.open(row.sealed, place_of(row.slug)))
            told = ProviderSettings.model_validate(msgspec.json.decode(row.settings) | secrets)
            return resolve(row.slug, told, "database")
        except (Unsealable, ValidationError, ValueError) as fault:
            # D14: what cannot be read is not used. The type alone: a message could repeat a secret.
            log.warning("provider %s is not usable (%s)", row.slug, type(fault).__name__)
            return None


def place_of(slug: str) -> str:
    """Return the context under which a provider's secrets are sealed."""
    return f"federation_providers {slug} sealed"
