"""Runs and what came of them, to look at; evidence is not edited by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from evaluation.models import EvaluationRun, HumanLabel, Recommendation


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows a verdict rests on may be seen, not changed."""

    def has_add_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False


@admin.register(EvaluationRun)
class RunAdmin(ReadOnly):
    list_display = ("name", "project", "state", "incumbent", "budget_usd", "charged_at_most_usd", "created_at")
    list_filter = ("state",)
    search_fields = ("name", "project__slug")


@admin.register(Recommendation)
class RecommendationAdmin(ReadOnly):
    list_display = ("verdict", "project", "incumbent", "candidate", "created_at", "acknowledged_at")
    list_filter = ("verdict",)
    exclude = ("pack",)


@admin.register(HumanLabel)
class LabelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("call", "dimension", "score", "by", "created_at")
    raw_id_fields = ("call", "by")
