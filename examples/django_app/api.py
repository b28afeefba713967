"""The API: by bearer token from anywhere, by cookie from a page of this project."""

from __future__ import annotations

from datetime import timedelta

from examples.django_app.notes import notes
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ostiary.integrations.drf import require


class Hello(APIView):
    permission_classes = (require(),)

    def get(self, request: Request) -> Response:
        return Response({"hello": request.user.get_username()})


class Notes(APIView):
    def get_permissions(self) -> list[BasePermission]:
        """Whoever burns their notes must have signed in just now."""
        is_grave = self.request.method == "DELETE"
        return [(require(fresh=timedelta(minutes=10)) if is_grave else require())()]

    def get(self, request: Request) -> Response:
        return Response({"notes": notes.get(str(request.user.pk), [])})

    def post(self, request: Request) -> Response:
        text = request.data.get("text") if isinstance(request.data, dict) else None
        if not isinstance(text, str):
            raise ValidationError({"text": "This field is needed."})
        notes.setdefault(str(request.user.pk), []).append(text[:500])
        return Response(status=201)

    def delete(self, request: Request) -> Response:
        notes.pop(str(request.user.pk), None)
        return Response(status=204)


class Desk(APIView):
    permission_classes = (require(permission="books:lend"),)

    def get(self, request: Request) -> Response:
        return Response({"readers": len(notes)})
