"""Is it up, may it be sent traffic, and what does it lean on?"""

from __future__ import annotations

from collections.abc import Callable

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse

from netra import clickhouse


def health(_request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def ready(_request: HttpRequest) -> JsonResponse:
    """503 until every store answers."""
    found = examine()
    is_ready = all(state == "ok" for state in found.values())
    return JsonResponse({"status": "ok" if is_ready else "unavailable"}, status=200 if is_ready else 503)


def dependencies(request: HttpRequest) -> JsonResponse:
    """Each store with its state; details only for staff, as error texts may name hosts."""
    found = examine()
    if not (request.user.is_authenticated and request.user.is_staff):
        found = {name: "ok" if state == "ok" else "unavailable" for name, state in found.items()}
    return JsonResponse(found)


def examine() -> dict[str, str]:
    """Try each store once: name → "ok" or the first line of what went wrong."""
    return {name: _try(probe) for name, probe in PROBES.items()}


def _try(probe: Callable[[], object]) -> str:
    try:
        probe()
    except Exception as problem:
        return f"{type(problem).__name__}: {str(problem).splitlines()[0][:160] if str(problem) else ''}"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


PROBES: dict[str, Callable[[], object]] = {
    "database": _database,
    "events": lambda: clickhouse.scalar("SELECT 1"),
    "cache": lambda: cache.set("netra-health", 1, timeout=5),
}
