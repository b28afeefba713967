"""What is where."""

from __future__ import annotations

from django.urls import include, path
from examples.django_app import api, views

urlpatterns = [
    path("", views.front_page),
    path("notes", views.notes_page),
    path("api/hello", api.Hello.as_view()),
    path("api/notes", api.Notes.as_view()),
    path("api/desk", api.Desk.as_view()),
    path("", include("ostiary.integrations.django.urls")),  # sign-in: where login_required sends people
]
