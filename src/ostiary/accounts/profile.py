"""What one may change of one's own account at will."""

from __future__ import annotations

import msgspec


class ProfileChange(msgspec.Struct, frozen=True):
    """One change; what is unset stays as it is.

    Attributes:
        language: In which letters come; None is: as the request asks.
    """

    full_name: str | msgspec.UnsetType = msgspec.UNSET
    language: str | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def fields(self) -> list[str]:
        """The names of what is changed."""
        return [name for name in self.__struct_fields__ if getattr(self, name) is not msgspec.UNSET]
