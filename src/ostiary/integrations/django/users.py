"""Somebody whom an Ostiary knows and this project's database need not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from ostiary.client.identity import Identity


class RemoteUser:
    """What `request.user` is for somebody without a row: it can be asked all that a template or a decorator asks.

    Permissions are the account's own, by their exact names (`books:lend`), and
    never those that Django makes for models. Nobody is staff or superuser here:
    that is for people of this project's own.

    Attributes:
        identity: Whom a verified credential names.
    """

    is_active = True
    is_anonymous = False
    is_authenticated = True
    is_staff = False
    is_superuser = False

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    @property
    def id(self) -> str:
        """The account's id."""
        return self.identity.id

    @property
    def pk(self) -> str:
        """The account's id."""
        return self.identity.id

    @property
    def username(self) -> str:
        """Public name; may change hands."""
        return self.identity.username

    @property
    def email(self) -> str:
        """The address if it is proven, or nothing: what asks here does not ask whether (D4)."""
        return self.identity.email if self.identity.email_verified else ""

    def __str__(self) -> str:
        return self.identity.username

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteUser) and other.identity.id == self.identity.id

    def __hash__(self) -> int:
        return hash(self.identity.id)

    def get_username(self) -> str:
        """Return the public name."""
        return self.identity.username

    def get_full_name(self) -> str:
        """Return what they like to be called, or the public name."""
        return self.identity.full_name or self.identity.username

    def get_short_name(self) -> str:
        """Return the public name."""
        return self.identity.username

    def get_user_permissions(self, obj: object = None) -> set[str]:
        """Return the account's permissions; of a single object nobody has any."""
        return set(self.identity.permissions) if obj is None else set()

    def get_group_permissions(self, obj: object = None) -> set[str]:
        """Return none: there are no groups here."""
        return set()

    def get_all_permissions(self, obj: object = None) -> set[str]:
        """Return the account's permissions."""
        return self.get_user_permissions(obj)

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Return whether the account holds a permission."""
        return perm in self.get_user_permissions(obj)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Return whether the account holds them all.

        Raises:
            ValueError: That is one name, and not several.
        """
        if isinstance(perm_list, str):
            raise ValueError("perm_list must be an iterable of permissions.")  # noqa: TRY004 - as Django does
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, module: str) -> bool:
        """Return whether the account holds any permission that begins with this name, such as `books`."""
        return any(permission.partition(":")[0] == module for permission in self.identity.permissions)

    async def aget_user_permissions(self, obj: object = None) -> set[str]:
        """Return the account's permissions."""
        return self.get_user_permissions(obj)

    async def aget_group_permissions(self, obj: object = None) -> set[str]:
        """Return none."""
        return self.get_group_permissions(obj)

    async def aget_all_permissions(self, obj: object = None) -> set[str]:
        """Return the account's permissions."""
        return self.get_all_permissions(obj)

    async def ahas_perm(self, perm: str, obj: object = None) -> bool:
        """Return whether the account holds a permission."""
        return self.has_perm(perm, obj)

    async def ahas_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """Return whether the account holds them all."""
        return self.has_perms(perm_list, obj)

    async def ahas_module_perms(self, module: str) -> bool:
        """Return whether the account holds any permission that begins with this name."""
        return self.has_module_perms(module)

    def check_password(self, raw_password: str) -> bool:
        """Return False: passwords are the Ostiary's."""
        return False

    def set_password(self, raw_password: str) -> NoReturn:
        """Refuse; see `save`."""
        self.save(raw_password)

    def delete(self, *_: object, **__: object) -> NoReturn:
        """Refuse; see `save`."""
        self.save()

    def save(self, *_: object, **__: object) -> NoReturn:
        """Refuse: there is no row.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("This user has no row in the database: set OSTIARY['USER_FIELD'] to have one.")
