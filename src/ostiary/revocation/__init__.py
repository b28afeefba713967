"""What programs elsewhere hear of sessions that ended, so that they need not wait for a token to lapse."""

from ostiary.revocation.feed import Feed
from ostiary.revocation.lists import StatusLists
from ostiary.revocation.readers import Readers, new_reader

__all__ = ["Feed", "Readers", "StatusLists", "new_reader"]
