"""The HTTP API under /api/v1: routers by name, one error shape `{"detail", "code"}`."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser

from netra.errors import Busy, Invalid, NetraError


class StorableJson(Parser):
    """Strict JSON whose texts every database can hold: no NaN, no half characters, no NUL. Else ValueError."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        told: dict[str, Any] = orjson.loads(request.body)
        if rb"\u0000" in request.body and _holds_nul(told):
            raise ValueError("A text holds a NUL character.")
        return told


def _holds_nul(told: Any) -> bool:
    if isinstance(told, dict):
        return any(map(_holds_nul, (*told, *told.values())))
    return any(map(_holds_nul, told)) if isinstance(told, list) else isinstance(told, str) and "\0" in told


api = NinjaAPI(
    parser=StorableJson(),
    title="Netra",
    version="1",
    description="Which model should your agent use? Evidence with a stated error rate.",
    docs_url="/docs",
    urls_namespace="api",
)


@api.exception_handler(NetraError)
def refused(request: HttpRequest, problem: NetraError) -> HttpResponse:
    body: dict[str, object] = {"detail": str(problem), "code": problem.code}
    if isinstance(problem, Invalid) and problem.field:
        body["field"] = problem.field
    response = api.create_response(request, body, status=problem.status)
    if isinstance(problem, Busy):
        response.headers["Retry-After"] = str(max(1, round(problem.retry_after_s)))
    return response


@api.exception_handler(Http404)
def missing(request: HttpRequest, problem: Http404) -> HttpResponse:
    return api.create_response(request, {"detail": str(problem) or "Not found.", "code": "not_found"}, status=404)


@api.exception_handler(HttpError)
def turned_away(request: HttpRequest, problem: HttpError) -> HttpResponse:
    """What the framework itself refuses: a body that is no JSON, a form from another site."""
    code = {400: "invalid", 403: "forbidden"}.get(problem.status_code, "error")
    return api.create_response(request, {"detail": str(problem), "code": code}, status=problem.status_code)


@api.exception_handler(AuthenticationError)
def unknown_key(request: HttpRequest, _problem: AuthenticationError) -> HttpResponse:
    detail = "Send a valid key as `Authorization: Bearer …`, or log in."
    return api.create_response(request, {"detail": detail, "code": "unauthorized"}, status=401)


@api.exception_handler(ValidationError)
def malformed(request: HttpRequest, problem: ValidationError) -> HttpResponse:
    first = problem.errors[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "payload"))
    body = {"detail": f"{field or 'request'}: {first['msg']}", "code": "invalid", "field": field}
    return api.create_response(request, body, status=422)


api.add_router("", "projects.api.router", tags=["projects", "logs"])
api.add_router("", "projects.log_api.router", tags=["logs"])
api.add_router("", "projects.privacy_api.router", tags=["privacy"])
api.add_router("", "projects.analytics_api.router", tags=["analytics"])
api.add_router("", "projects.cache_api.router", tags=["analytics"])
api.add_router("", "projects.overview_api.router", tags=["analytics"])
api.add_router("", "projects.kind_api.router", tags=["analytics"])
api.add_router("", "projects.source_api.router", tags=["sources"])
api.add_router("", "projects.report_api.router", tags=["analytics"])
api.add_router("", "routing.api.router", tags=["supply"])
api.add_router("", "routing.live_api.router", tags=["routing"])
api.add_router("", "routing.counterfactual_api.router", tags=["routing"])
api.add_router("", "routing.certificate_api.router", tags=["routing"])
api.add_router("", "routing.control_api.router", tags=["routing"])
api.add_router("", "evaluation.live_api.router", tags=["routing"])
api.add_router("", "evaluation.api.router", tags=["evaluations", "recommendations"])
