"""Settings of the reading notes: a Django project without a database, whose people are an Ostiary's."""

from __future__ import annotations

import os

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only for looking around")
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "examples.django_app.urls"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "ostiary.integrations.django",  # brings the checks of `manage.py check`
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "ostiary.integrations.django.middleware.OstiaryMiddleware",  # behind AuthenticationMiddleware, where there is one
]
AUTHENTICATION_BACKENDS = ["ostiary.integrations.django.backends.OstiaryBackend"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [os.path.join(os.path.dirname(__file__), "templates")],  # noqa: PTH118, PTH120 - as Django's own do
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

OSTIARY = {"ISSUER": os.environ.get("OSTIARY_ISSUER", "http://localhost:8080")}
LOGIN_URL = "ostiary:sign-in"
CSRF_FAILURE_VIEW = "ostiary.integrations.django.views.csrf_failure"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["ostiary.integrations.drf.OstiaryAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "ostiary.integrations.drf.exception_handler",
}
