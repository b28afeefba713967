"""The pages: plain Django, with its own decorators, forms and check against forgery."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe
from examples.django_app.notes import notes

from ostiary.integrations.django import current_account, optional_account


@require_safe
def front_page(request: HttpRequest) -> HttpResponse:
    return render(request, "front.html", {"visitor": optional_account(request)})


@require_http_methods(["GET", "POST"])
@login_required
def notes_page(request: HttpRequest) -> HttpResponse:
    account = current_account(request)
    if request.method == "POST":
        notes.setdefault(account.id, []).append(request.POST["text"][:500])
        return HttpResponseRedirect("/notes")
    return render(request, "notes.html", {"account": account, "notes": notes.get(account.id, [])})
