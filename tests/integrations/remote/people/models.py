"""A project's own user model, which knows people of an Ostiary by their id."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    ostiary_id: models.CharField[str | None, str | None] = models.CharField(max_length=64, unique=True, null=True)
