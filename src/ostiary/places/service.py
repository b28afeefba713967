"""Addresses and where they are: a look into a mapped file, and nothing leaves the machine."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ostiary.core.errors import Misconfigured
from ostiary.web.address import parsed

if TYPE_CHECKING:
    from maxminddb import Reader

    from ostiary.places.settings import PlaceSettings

log = logging.getLogger(__name__)

LANGUAGE = "en"
PLACES, NETWORKS = ("City", "Country", "Enterprise"), ("ASN", "ISP", "Enterprise")
"""Parts of the types that a database of places, or of networks, calls itself by."""


class Place(msgspec.Struct, frozen=True):
    """Where an address is said to be: often right about the country, less often about the city.

    Attributes:
        country: ISO 3166-1 code.
        radius_km: The place lies within so far of latitude and longitude, by the database's own word.
        time_zone: Such as `Europe/Paris`.
        asn: Number of the network that announces the address.
    """

    country: str | None = None
    country_name: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    radius_km: int | None = None
    time_zone: str | None = None
    asn: int | None = None


class BrokenDatabase(Exception):  # noqa: N818 - reads as what it says
    """A file that is not there, or is no database of the kind that is needed."""


class File:
    """One database, as it was when it was opened.

    It is mapped, not read: a new one must come by renaming it into place. Who
    writes over the old one changes the ground under a running look-up.
    """

    def __init__(self, path: Path, kinds: tuple[str, ...]) -> None:
        import maxminddb  # noqa: PLC0415 - only who has a database needs it

        self.path = path
        self.kinds = kinds
        self._refusals = (maxminddb.InvalidDatabaseError, ValueError)
        self._is_doubted = False
        try:
            self.stamp = stamp_of(path)
            self._reader: Reader = maxminddb.open_database(path)
            about = self._reader.metadata()
        except (OSError, *self._refusals) as failure:
            raise BrokenDatabase(f"{path} cannot be read as a MaxMind database ({type(failure).__name__})") from None
        self.built_at = about.build_epoch
        if not any(kind in about.database_type for kind in kinds):
            raise BrokenDatabase(f"{path} holds {about.database_type}, and not {' or '.join(kinds[:2])}")

    def find(self, address: Any) -> dict[str, Any]:  # noqa: ANN401 - an address object
        """Return what the file says of an address; nothing is an empty record."""
        try:
            found = self._reader.get(address)
        except self._refusals as failure:
            if not self._is_doubted:  # once: a damaged file fails by the thousand
                log.warning("%s cannot be looked into (%s)", self.path.name, type(failure).__name__)
                self._is_doubted = True
            return {}
        return found if isinstance(found, dict) else {}

    def renewed(self) -> File:
        """Return the file as it is now; itself if nothing has changed.

        Raises:
            BrokenDatabase: There is another one now, which cannot be read.
        """
        try:
            is_same = stamp_of(self.path) == self.stamp
        except OSError:
            raise BrokenDatabase(f"{self.path} is gone") from None
        return self if is_same else File(self.path, self.kinds)


class Places:
    """Says where an address is, as far as it is known.

    Raises:
        Misconfigured: A database is named that cannot be read.
    """

    def __init__(self, settings: PlaceSettings) -> None:
        self._settings = settings
        self._complained: set[str] = set()
        try:
            self._places = File(settings.database, PLACES) if settings.database else None
            self._networks = File(settings.asn_database, NETWORKS) if settings.asn_database else None
        except BrokenDatabase as broken:
            raise Misconfigured(f"places: {broken}. Correct the path, or fetch the file again.") from None

    @property
    def files(self) -> list[File]:
        """The databases that are in use."""
        return [file for file in (self._places, self._networks) if file is not None]

    def find(self, address: str | None, language: str = LANGUAGE) -> Place | None:
        """Return where an address is; None where it is private, or nobody knows.

        Names are in a language as far as the database knows it, else in English.
        """
        found = parsed(address) if address and self.files else None
        if found is None or not found.is_global:
            return None
        said = self._places.find(found) if self._places else {}
        place = Place(
            country=_at(str, said, "country", "iso_code"),
            country_name=_named(said, "country", language),
            city=_named(said, "city", language),
            latitude=_at(float, said, "location", "latitude"),
            longitude=_at(float, said, "location", "longitude"),
            radius_km=_at(int, said, "location", "accuracy_radius"),
            time_zone=_at(str, said, "location", "time_zone"),
            asn=_at(int, self._networks.find(found) if self._networks else said, "autonomous_system_number"),
        )
        return None if place == NOWHERE else place

    def words(self, place: Place | None) -> str | None:
        """Return a place as people say it, such as "Lyon, France"; None where there is nothing to say."""
        if place is None:
            return None
        return ", ".join(part for part in (place.city, place.country_name or place.country) if part) or None

    def describe(self, address: str | None, language: str = LANGUAGE) -> str | None:
        """Return in words where an address is, or None."""
        return self.words(self.find(address, language))

    def refuses(self, place: Place | None) -> bool:
        """Return whether the rules on countries keep out who comes from there.

        An unknown place is refused only where an allow-list is set and
        `refuse_unknown` says so: a gap in a database is nobody's fault.
        """
        country = place.country if place else None
        if self._settings.allowed_countries:
            if country is None:
                return self._settings.refuse_unknown
            return country not in self._settings.allowed_countries
        return country in self._settings.denied_countries

    async def renew(self) -> None:
        """Take up files that were replaced; a broken one is told once, and the old one stays in use."""
        if self._places:
            self._places = await self._renewed(self._places)
        if self._networks:
            self._networks = await self._renewed(self._networks)

    async def _renewed(self, file: File) -> File:
        try:
            fresh = await asyncio.to_thread(file.renewed)
        except BrokenDatabase as broken:
            if str(broken) not in self._complained:
                log.warning("%s; the one that was open stays in use", broken)
                self._complained.add(str(broken))
            return file
        self._complained.clear()
        if fresh is not file:
            log.info("%s was replaced", file.path.name)
        return fresh


NOWHERE = Place()


def stamp_of(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is replaced: its number, size and time."""
    about = path.stat()
    return about.st_ino, about.st_size, about.st_mtime_ns


def _named(record: Any, what: str, language: str) -> str | None:  # noqa: ANN401 - whatever a database says
    name = _at(str, record, what, "names", language) or _at(str, record, what, "names", LANGUAGE)
    return name if isinstance(name, str) else None


def _at(kind: type, record: Any, *names: str) -> Any:  # noqa: ANN401 - whatever a database says
    """Return the value of a kind at a path of names, or None: files of other makers lack some."""
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return record if isinstance(record, kind) else None
