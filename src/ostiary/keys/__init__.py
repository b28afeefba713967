"""Keys and their lives: signing, MACs, sealing."""

from ostiary.keys.root import RootSecret, root_wrapper
from ostiary.keys.service import Keys, KeyStillNeeded, NoSuchKey
from ostiary.keys.settings import KeySettings

__all__ = ["KeySettings", "KeyStillNeeded", "Keys", "NoSuchKey", "RootSecret", "root_wrapper"]
