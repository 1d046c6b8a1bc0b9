"""Runs and what came of them, to look at; evidence is not edited by hand."""

from __future__ import annotations

from django.contrib import admin

from evaluation.models import EvaluationRun, HumanLabel, LiveDay, LiveJudging, LivePair, Recommendation
from routing.admin import OfPair, OfProject, ReadOnly


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


@admin.register(LiveJudging)
class LiveJudgingAdmin(OfProject):
    list_display = ("project", "is_on", "daily_budget_usd", "sample_share", "dimension", "updated_at", "updated_by")
    list_filter = ("is_on", "dimension")
    list_select_related = ("project", "updated_by")


@admin.register(LiveDay)
class LiveDayAdmin(OfProject):
    list_display = ("day", "project", "run")
    date_hierarchy = "day"
    list_select_related = ("project", "run")


@admin.register(LivePair)
class LivePairAdmin(OfPair):
    list_display = ("option", "default_option", "project", "difference", "unscored_because", "answered_at", "taught_at")
    list_filter = ("unscored_because", ("taught_at", admin.EmptyFieldListFilter))
    search_fields = (*OfPair.search_fields, "event_id", "policy")
    date_hierarchy = "answered_at"
