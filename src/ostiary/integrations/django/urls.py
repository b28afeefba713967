"""For `path("", include("ostiary.integrations.django.urls"))`."""

from __future__ import annotations

from django.urls import path

from ostiary.integrations.django.views import sign_in

app_name = "ostiary"
urlpatterns = [path("sign-in", sign_in, name="sign-in")]
