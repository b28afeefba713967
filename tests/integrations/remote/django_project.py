"""A Django project in this process: settings, URLs and views, in one file."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings

FOLDER = Path(tempfile.mkdtemp(prefix="ostiary-django-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

OURS = "ostiary.integrations.django.middleware.OstiaryMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "a project of the tests",
    "ALLOWED_HOSTS": ["app.example.test", "id.example.test", "localhost"],
    "ROOT_URLCONF": "tests.integrations.remote.django_project",
    "INSTALLED_APPS": [
        "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "rest_framework",
        "ostiary.integrations.django", "tests.integrations.remote.people",
    ],
    "MIDDLEWARE": [SESSIONS, CSRF, AUTHENTICATION, OURS],
    "AUTHENTICATION_BACKENDS": [
        "django.contrib.auth.backends.ModelBackend", "ostiary.integrations.django.backends.OstiaryBackend",
    ],
    "AUTH_USER_MODEL": "people.Member",
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3"}},
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "TIME_ZONE": "UTC",  # Django sets that of the whole process
    "LOGIN_URL": "ostiary:sign-in",
    "CSRF_COOKIE_NAME": "app_csrf",
    "CSRF_TRUSTED_ORIGINS": ["https://www.example.test"],
    "OSTIARY": {"ISSUER": "https://id.example.test", "AUDIENCE": "https://app.example.test"},
    "REST_FRAMEWORK": {
        "DEFAULT_AUTHENTICATION_CLASSES": ["ostiary.integrations.drf.OstiaryAuthentication"],
        "EXCEPTION_HANDLER": "ostiary.integrations.drf.exception_handler",
    },
}  # fmt: skip
if not settings.configured:
    settings.configure(**SETTINGS)
    django.setup()

from django.contrib.auth.decorators import login_required, permission_required  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from ostiary.integrations import drf  # noqa: E402
from ostiary.integrations.django import current_account, optional_account, require  # noqa: E402

View = Callable[..., Any]


def hello(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"who": current_account(request).username})


async def ahello(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"who": current_account(request).username})


def perhaps(request: HttpRequest) -> HttpResponse:
    visitor = optional_account(request)
    return JsonResponse({"who": visitor.username if visitor else None})


def public(request: HttpRequest) -> HttpResponse:
    identity = getattr(request, "ostiary", None)  # without the middleware nobody says
    return JsonResponse({"who": identity.username if identity else None, "csrf": get_token(request)})


def user(request: HttpRequest) -> HttpResponse:
    found: Any = request.user
    return JsonResponse(
        {
            "id": str(found.pk),
            "name": found.get_username(),
            "kind": type(found).__name__,
            "email": getattr(found, "email", ""),
        }
    )


async def auser(request: HttpRequest) -> HttpResponse:
    found: Any = await request.auser()
    return JsonResponse({"id": str(found.pk), "kind": type(found).__name__})


def routes(hello: View) -> list[Any]:
    return [
        path("who", require()(hello)),
        path("act", require()(hello)),
        path("lend", require(permission="books:lend")(hello)),
        path("fresh", require(fresh=timedelta(minutes=10))(hello)),
        path("proven", require(verified=True)(hello)),
        path("strong", require(acr="aal2")(hello)),
    ]


class Hello(APIView):
    def get(self, request: Request) -> Response:
        return Response({"who": request.user.get_username()})

    post = get


class Perhaps(APIView):
    def get(self, request: Request) -> Response:
        visitor: Any = request.auth
        return Response({"who": visitor.username if visitor else None})


def guarded(**wanted: Any) -> View:  # noqa: ANN401 - as drf.require has them
    return Hello.as_view(permission_classes=[drf.require(**wanted)])


rest = [
    path("who", guarded()),
    path("act", guarded()),
    path("lend", guarded(permission="books:lend")),
    path("fresh", guarded(fresh=timedelta(minutes=10))),
    path("proven", guarded(verified=True)),
    path("strong", guarded(acr="aal2")),
    path("perhaps", Perhaps.as_view()),
    path("public", public),
]

urlpatterns = [
    *routes(hello),
    path("perhaps", perhaps),
    path("public", public),
    path("async/", include([*routes(ahello), path("perhaps", perhaps), path("public", public), path("user", auser)])),
    path("rest/", include(rest)),
    path("raises", hello),
    path("spared", csrf_exempt(require()(hello))),
    path("user", user),
    path("members", login_required(user)),
    path("lenders", permission_required("books:lend")(user)),
    path("", include("ostiary.integrations.django.urls")),
]
