"""Roles: permissions that are given together, and who holds them."""

from ostiary.roles.errors import BeyondOwnPermissions, LastKeeper, NoSuchRole, RoleTaken, TooManyPermissions
from ostiary.roles.queries import Holder, Role
from ostiary.roles.service import Change, Hand, Rights, Roles, check_role

__all__ = [
    "BeyondOwnPermissions",
    "Change",
    "Hand",
    "Holder",
    "LastKeeper",
    "NoSuchRole",
    "Rights",
    "Role",
    "RoleTaken",
    "Roles",
    "TooManyPermissions",
    "check_role",
]
