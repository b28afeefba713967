"""The application that Django installs."""

from __future__ import annotations

from django.apps import AppConfig


class OstiaryConfig(AppConfig):
    """Has no models and no tables; brings the checks of `manage.py check`."""

    name = "ostiary.integrations.django"
    label = "ostiary"
    verbose_name = "Ostiary"

    def ready(self) -> None:
        """Make the checks known."""
        from ostiary.integrations.django.checks import register_all  # noqa: PLC0415 - Django is ready only now

        register_all()
