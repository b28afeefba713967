"""The authentication backend: users by the account's id, and permissions by the token."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.core.exceptions import FieldDoesNotExist
from django.db import IntegrityError

from ostiary.client.visits import Visit
from ostiary.integrations.django.settings import ostiary_settings, resource_server
from ostiary.integrations.django.users import RemoteUser

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ostiary.client.identity import Identity

log = logging.getLogger(__name__)

IDENTITY = "_ostiary_identity"
"""Where a row of the user model holds whom a verified credential names, for the length of a request."""


class OstiaryBackend(BaseBackend):
    """Knows users by `sub`; a subclass may say what a new row holds (`new_row`) and who may come in.

    It starts no session of Django's, and knows nobody by one: such a session
    would go on when the Ostiary's own has ended.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:  # noqa: ANN401 - a project's own user
        """Return the user whom `access_token=` names, or None."""
        token = credentials.get("access_token")
        if not isinstance(token, str):
            return None
        shown = Visit(method="GET", path="/", authorization=f"Bearer {token}")
        identity = resource_server().admit_blocking(shown).identity
        return None if identity is None else self.user_for(request, identity)

    def user_for(self, request: HttpRequest | None, identity: Identity) -> Any:  # noqa: ANN401 - as above
        """Return the user whom an identity stands for, or None if there is none here, or an inactive one."""
        field = ostiary_settings().user_field
        if field is None:
            return RemoteUser(identity)
        user = self._row(field, identity)
        if user is None or not self.user_can_authenticate(user):
            return None
        setattr(user, IDENTITY, identity)
        return user

    def new_row(self, identity: Identity) -> dict[str, Any]:
        """Return what a row holds besides the id, for somebody who comes for the first time.

        The name is the id, as a public name may change hands and meet one that
        is taken here; the address is there only when it is proven (D4).
        """
        model: Any = get_user_model()
        values: dict[str, Any] = {}
        if ostiary_settings().user_field != model.USERNAME_FIELD:
            values[model.USERNAME_FIELD] = identity.id
        if identity.email_verified and _has_field(model, model.get_email_field_name()):
            values[model.get_email_field_name()] = identity.email
        if _has_field(model, "password"):
            values["password"] = make_password(None)  # one that nothing matches
        return values

    def user_can_authenticate(self, user: Any) -> bool:  # noqa: ANN401 - as above
        """Return whether a row may come in: not if it is inactive."""
        return bool(getattr(user, "is_active", True))

    def get_user(self, user_id: Any) -> Any:  # noqa: ANN401 - Django's own form
        """Return None: a request shows who it is by itself."""
        return None

    def get_user_permissions(self, user_obj: Any, obj: object = None) -> set[str]:  # noqa: ANN401 - as above
        """Return the permissions of the account behind a row; of a single object nobody has any."""
        identity: Identity | None = getattr(user_obj, IDENTITY, None)
        if identity is None or obj is not None or not user_obj.is_active:
            return set()
        return set(identity.permissions)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:  # noqa: ANN401 - as above
        """Return whether the account holds any permission that begins with this name."""
        return any(name.partition(":")[0] == app_label for name in self.get_user_permissions(user_obj))

    def _row(self, field: str, identity: Identity) -> Any:  # noqa: ANN401 - as above
        manager: Any = get_user_model()._default_manager  # noqa: SLF001 - as Django's own backends do
        if not ostiary_settings().create_users:
            return manager.filter(**{field: identity.id}).first()
        try:
            user, is_new = manager.get_or_create(**{field: identity.id}, defaults=self.new_row(identity))
        except IntegrityError:
            # Somebody else's row has that address or name: whose it is, nobody can tell from here (R31).
            log.warning("no row for the account %s: another row holds what must be unique", identity.id)
            return None
        if is_new:
            log.info("a row for the account %s", identity.id)
        return user


def _has_field(model: Any, name: str) -> bool:  # noqa: ANN401 - a model
    try:
        model._meta.get_field(name)  # noqa: SLF001 - Django's documented interface
    except FieldDoesNotExist:
        return False
    return True
