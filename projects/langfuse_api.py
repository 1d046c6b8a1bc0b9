"""What Langfuse's SDKs ask of its API before they send: whose key this is. All else they have to say comes as OTLP."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET

from projects.auth import ProjectKey, basic_password


@require_GET
def projects(request: HttpRequest) -> JsonResponse:
    """The one project of the key, in Langfuse's shape."""
    scheme, _, told = request.headers.get("authorization", "").partition(" ")
    key = ProjectKey().authenticate(request, basic_password(told)) if scheme.lower() == "basic" else None
    if key is None:
        return JsonResponse({"message": "The secret key is no key of a project here."}, status=401)
    organization = {"id": "netra", "name": "Netra"}
    named = {"id": key.project.slug, "name": key.project.name, "organization": organization, "metadata": {}}
    return JsonResponse({"data": [named]})
