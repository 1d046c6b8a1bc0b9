"""Allowances as people set them: for a project or one of its keys, and how much of each is taken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone

from netra.errors import NotFound
from projects.models import ApiKey, Project
from routing.allowances import window_start
from routing.models import Allowance, Spending


def held(project: Project) -> list[dict[str, Any]]:
    """All allowances with what is spent, or lent to a gateway process, in the window under way."""
    rows = Allowance.objects.filter(project=project).select_related("api_key").order_by("api_key_id")
    return [_told(row) for row in rows]


def grant(project: Project, key_name: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Set the allowance of a project, or of one of its keys. Raises NotFound for a key that is not in use."""
    key = _key(project, key_name) if key_name else None
    row, _ = Allowance.objects.update_or_create(project=project, api_key=key, defaults=given)
    return _told(row)


def revoke(project: Project, key_name: str | None) -> None:
    """No limits any more. Raises NotFound where none were set."""
    rows = Allowance.objects.filter(project=project)
    rows = rows.filter(api_key__name=key_name) if key_name else rows.filter(api_key=None)
    if not rows.delete()[0]:
        raise NotFound("No limits are set there.")


def _key(project: Project, name: str) -> ApiKey:
    found = ApiKey.objects.live().filter(project=project, name=name).order_by("-created_at").first()
    if found is None:
        raise NotFound(f"There is no API key {name[:80]!r} in use.")
    return found


def _told(row: Allowance) -> dict[str, Any]:
    window = window_start(row.window, timezone.now())
    spent = Spending.objects.filter(allowance=row, starts_at=window).values_list("taken_usd", flat=True).first()
    return {
        "key": row.api_key.name if row.api_key else None,
        "budget_usd": row.budget_usd,
        "window": row.window,
        "taken_usd": spent or Decimal(0),
        "requests_per_minute": row.requests_per_minute,
        "tokens_per_minute": row.tokens_per_minute,
        "allowed_models": row.allowed_models,
    }
