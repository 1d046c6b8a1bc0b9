"""Every table of the admin opens for a superuser and for nobody else; what is set elsewhere is only looked at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from evaluation.models import LivePair
from projects.models import ApiKey, Project
from routing.admin import ReadOnly
from routing.models import (
    Allowance,
    CacheCheck,
    Certificate,
    GatewayControls,
    JudgedPair,
    LiveBelief,
    PolicyForecast,
    RoutingPolicy,
    TrainedPredictor,
)
from tests import factories

TABLES = sorted(admin.site._registry, key=lambda each: each._meta.label)
SET_ELSEWHERE = [each for each in TABLES if isinstance(admin.site._registry[each], ReadOnly)]
LATELY = timezone.now() - timedelta(hours=1)
PAIR = {"option": "openai/new", "default_option": "openai/old"}
BOUNDS = {"mean": 0.1, "low": 0.0, "high": 0.2, "n": 60}


def by_label(model: type[Model]) -> str:
    return str(model._meta.label)


def path(model: type[Model], page: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def staff(db: None) -> Client:
    return factories.client(factories.user("root@example.com", is_staff=True, is_superuser=True))


@pytest.mark.parametrize("model", TABLES, ids=by_label)
def test_a_list_opens_for_a_superuser_only(staff: Client, as_member: Client, model: type[Model]) -> None:
    # With a search, so that a field that is not there is found out.
    assert staff.get(path(model), {"q": "x"}).status_code == 200
    for client in (as_member, Client()):
        assert client.get(path(model)).status_code == 302


def rows(project: Project) -> list[Model]:
    """One row of each newer table."""
    key, _ = ApiKey.issue(project, "ci", by=None)
    day = {"project": project, "event_id": "0" * 32}
    return [
        RoutingPolicy.objects.create(project=project, name="auto", default_option="openai/old"),
        PolicyForecast.objects.create(project=project, policy="auto", version=1, n_decisions=0, measures={}),
        Allowance.objects.create(project=project, api_key=key, requests_per_minute=9),
        GatewayControls.objects.create(project=project, exact_cache=True),
        CacheCheck.objects.create(**day, asked_at=LATELY, similarity=0.98, agrees=True, how="words"),
        LiveBelief.objects.create(project=project, **PAIR, **BOUNDS, since=LATELY),
        Certificate.objects.create(project=project, **PAIR, standing="certified", reason="Good."),
        JudgedPair.objects.create(**day, **PAIR, difference=0.1, source="evaluation 1"),
        TrainedPredictor.objects.create(
            project=project, default_option="openai/old", artefact=b"arrays", sha256="f" * 64, n_pairs=90
        ),
        LivePair.objects.create(**day, **PAIR, policy="auto", probability=0.5, answered_at=LATELY),
    ]


def test_rows_are_found_by_their_project_and_shown(staff: Client, project: Project) -> None:
    for row in rows(project):
        assert staff.get(path(type(row)), {"q": "agent"}).context["cl"].result_count == 1, row
        shown = staff.get(path(type(row), "change", row.pk))
        assert shown.status_code == 200 and 'name="_save"' not in shown.content.decode(), row


def test_rows_are_not_found_by_another_project(staff: Client, project: Project) -> None:
    factories.project("elsewhere")
    for row in rows(project):
        assert staff.get(path(type(row)), {"q": "elsewhere"}).context["cl"].result_count == 0, row


@pytest.mark.parametrize("model", SET_ELSEWHERE, ids=by_label)
def test_what_has_its_own_page_is_not_added_there(staff: Client, model: type[Model]) -> None:
    assert staff.get(path(model, "add")).status_code == 403


def test_nothing_is_changed_there(staff: Client, project: Project) -> None:
    for row in rows(project):
        assert staff.post(path(type(row), "change", row.pk), {"project": project.pk}).status_code == 403, row


def test_keys_and_learnt_bytes_are_not_shown(staff: Client, project: Project) -> None:
    key, secret = ApiKey.issue(project, "ci", by=None)
    allowance = Allowance.objects.create(project=project, api_key=key)
    learnt = TrainedPredictor.objects.create(
        project=project, default_option="openai/old", artefact=b"arrays", sha256="f" * 64, n_pairs=90
    )
    pages = [path(Allowance), path(Allowance, "change", allowance.pk), path(TrainedPredictor, "change", learnt.pk)]
    for page in pages:
        text = staff.get(page).content.decode()
        assert secret not in text and key.fingerprint not in text and "arrays" not in text


def test_lists_ask_a_fixed_number_of_questions(
    staff: Client, project: Project, django_assert_max_num_queries: Any
) -> None:
    for name in ("a", "b", "c", "d", "e", "f", "g", "h"):
        RoutingPolicy.objects.create(project=factories.project(name), name=name, default_option="openai/old")
    with django_assert_max_num_queries(10):
        staff.get(path(RoutingPolicy))
