"""What a key may call, as OpenAI lists models: the project's policies first, then the options with a connection."""

from __future__ import annotations

from typing import Any

from django.db import close_old_connections

from routing.gateway.tenants import Tenant
from routing.supply import callable_options


def listed(tenant: Tenant) -> list[dict[str, Any]]:
    """Rows of `GET /v1/models`."""
    try:
        policies = [_row(f"netra/{name}", "netra", 0) for name in sorted(tenant.policies)]
        options = callable_options(tenant.project)
        rows = [_row(each.name, each.provider, int(each.created_at.timestamp())) for each in options]
    finally:
        close_old_connections()
    return [row for row in policies + rows if tenant.may_call(row["id"]) or tenant.may_call(row["id"][6:])]


def _row(name: str, owner: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}
