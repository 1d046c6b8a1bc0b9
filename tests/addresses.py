"""Every address of the pages and the API that names a project, with example values in its places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

_PLACE = re.compile(r"<(?:(\w+):)?(\w+)>")
# What stands in a place, by its converter; the project's name is told.
_EXAMPLES = {"int": "1", "str": "abc", "path": "abc", "uuid": "00000000-0000-4000-8000-000000000000", "slug": "abc"}
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Address:
    """A route, for instance `projects/<slug:slug>/logs/`, and a path that it leads to."""

    route: str
    path: str

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")

    def __str__(self) -> str:
        return self.route


def of_projects(slug: str) -> list[Address]:
    """Every address with a project's name in it."""
    named = {route for route in _routes() if ":slug>" in route or "<slug>" in route}
    return [Address(route, _filled(route, slug)) for route in sorted(named)]


def _routes(resolver: URLResolver | None = None, before: str = "") -> Iterator[str]:
    for each in (resolver or get_resolver()).url_patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLPattern):
            yield route
        elif not route.startswith("admin/"):
            yield from _routes(each, route)


def _filled(route: str, slug: str) -> str:
    """The first place is the project's; a second one of the same kind is something in it."""
    seen = iter([slug])

    def example(found: re.Match[str]) -> str:
        kind, name = found[1] or "str", found[2]
        return next(seen, "abc") if name in ("slug", "project") else _EXAMPLES.get(kind, "abc")

    return "/" + _PLACE.sub(example, route)
