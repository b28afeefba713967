"""Where an address is, from a database on this machine (R14)."""

from ostiary.places.service import Place, Places
from ostiary.places.settings import PlaceSettings

__all__ = ["Place", "PlaceSettings", "Places"]
