"""Pages: one template a URL with named fragments, the strict Content-Security-Policy, and errors as sentences."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import zoneinfo
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from netra.errors import NetraError
from netra.numbers import written_as

Handler = Callable[[HttpRequest], HttpResponse]

THEME_COOKIE = "theme"
THEMES = ("light", "dark")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class ContentSecurityPolicy:
    """Nothing from elsewhere, nothing inline; a view may loosen it by setting the header itself."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        nonce = getattr(request, "style_nonce", None)
        policy = POLICY.replace("style-src 'self'", f"style-src 'self' 'nonce-{nonce}'") if nonce else POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        return response


def style_nonce(request: HttpRequest) -> str:
    """This response's nonce for style elements made by script; asking for it is what adds it to the policy."""
    if not hasattr(request, "style_nonce"):
        request.style_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]
    return str(request.style_nonce)  # type: ignore[attr-defined]


class NoNul:
    """No name holds a NUL character, and no database can be asked for one: 404 for a path, dropped from a query."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info:
            raise Http404("There is no such page.")
        if "%00" in request.META.get("QUERY_STRING", ""):
            told = request.GET.copy()
            for name, values in list(told.lists()):
                told.setlist(name, [each.replace("\0", "") for each in values])
            request.GET = told  # type: ignore[assignment]
        return self.get_response(request)


class ErrorPages:
    """Turn our own errors into a page that says what happened; the API has its own handler."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        if not isinstance(problem, NetraError):
            return None
        if problem.status == 404:
            raise Http404(str(problem)) from problem
        context = {"sentence": str(problem), "status": problem.status, "retry": problem.retry}
        return page(request, "error.html", context, status=problem.status)


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any] | None = None,
    *,
    partial: str | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render a template, or only its named fragment when htmx asks for it (but not for a boosted link)."""
    htmx = getattr(request, "htmx", None)
    # Going back, htmx asks for the whole page that it no longer has.
    wants_fragment = partial and htmx and not htmx.boosted and not htmx.history_restore_request
    name = f"{template}#{partial}" if wants_fragment else template
    response = render(request, name, context or {}, status=status)
    response.headers.setdefault("Vary", "HX-Request")
    return response


def streamed(
    request: HttpRequest, pieces: Iterator[bytes], *, media_type: str, file_name: str
) -> StreamingHttpResponse:
    """A download of any length, a piece at a time. The first is made before anything is answered: problems till then
    are an error of their own, later ones end the transfer unfinished, which every client notices."""
    first = next(pieces, b"")
    sent = itertools.chain((first,), pieces)
    # Under ASGI Django would gather an ordinary iterator whole before sending any of it.
    is_async = isinstance(request, ASGIRequest)
    response = StreamingHttpResponse(_in_threads(sent) if is_async else sent, content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


async def _in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def surroundings(request: HttpRequest) -> dict[str, Any]:
    """What every template may need to know of the installation and of the reader's choice."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return {"google_login": settings.GOOGLE_LOGIN, "theme": theme if theme in THEMES else ""}


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the system has it; kept in a cookie, so it works without script."""
    wanted, back = request.POST.get("theme", ""), request.POST.get("next", "/")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    response = HttpResponseRedirect(back if is_ours else "/")  # redirect() would take a word for a view's name
    if wanted in THEMES:
        response.set_cookie(THEME_COOKIE, wanted, max_age=365 * 86_400, samesite="Lax", secure=settings.HTTPS)
    else:
        response.delete_cookie(THEME_COOKIE)
    return response


class ReadersTime:
    """Times on pages are in the reader's own zone, and numbers in their own format."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", "") or "UTC"
        try:
            zone = zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            zone = zoneinfo.ZoneInfo("UTC")
        with timezone.override(zone), written_as(getattr(request.user, "number_format", "")):
            return self.get_response(request)
