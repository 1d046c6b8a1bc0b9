"""Caches and guardrails by page, API and command: who may set what, what is refused where, and what is told."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from projects.models import AuditEntry, Project
from routing import controls
from routing.models import GatewayControls
from tests.routing.controlled import REGEX

pytestmark = pytest.mark.usefixtures("events")

CACHE = {
    "exact_cache": "on",
    "ttl_hours": "2",
    "max_entries": "500",
    "similarity": "0.98",
    "check_percent": "10",
    "max_false_percent": "3",
}
RULE = {"name": "codes", "kind": "regex", "on": "input", "action": "block", "pattern": r"X-\d", "longest": "200"}
RULE |= {"unit": "tokens"}


def url(project: Project, end: str = "") -> str:
    return f"/projects/{project.slug}/routing/controls/{end}"


def api(project: Project, end: str = "") -> str:
    return f"/api/v1/routing/{project.slug}/controls{end}"


def put(client: Client, project: Project, given: dict[str, Any]) -> Any:
    return client.put(api(project), json.dumps(given), content_type="application/json")


def test_the_routing_page_leads_here(as_viewer: Client, project: Project) -> None:
    assert url(project) in as_viewer.get(f"/projects/{project.slug}/routing/").content.decode()
    shown = as_viewer.get(url(project)).content.decode()
    assert "The cache is off" in shown and "None yet." in shown and "Add a guardrail" not in shown


def test_an_owner_sets_the_cache(as_owner: Client, project: Project) -> None:
    assert as_owner.post(url(project), CACHE).status_code == 302
    row = GatewayControls.objects.get(project=project)
    assert (row.exact_cache, row.semantic_cache, row.ttl_s, row.max_entries) == (True, False, 7200, 500)
    assert (row.similarity, row.check_share, row.max_false_share) == (0.98, 0.1, 0.03)
    assert AuditEntry.objects.filter(project=project, action="controls_set").exists()
    assert 'value="2.0"' in as_owner.get(url(project)).content.decode()


def test_an_error_stands_at_its_field(as_owner: Client, project: Project) -> None:
    shown = as_owner.post(url(project), CACHE | {"exact_cache": "", "semantic_cache": "on"}).content.decode()
    assert "needs the exact one" in shown and not GatewayControls.objects.exists()
    shown = as_owner.post(url(project), CACHE | {"similarity": "0.1"}).content.decode()
    assert "greater than or equal to 0.8" in shown


def test_rules_are_added_moved_and_removed(as_owner: Client, project: Project) -> None:
    for name in ("first", "second"):
        assert as_owner.post(url(project, "rules"), RULE | {"name": name}).status_code == 302
    as_owner.post(url(project, "rules/1/up"))
    assert [rule["name"] for rule in controls.of(project).guardrails] == ["second", "first"]
    assert "second" in as_owner.get(url(project)).content.decode()
    as_owner.post(url(project, "rules/0/remove"))
    assert [rule["name"] for rule in controls.of(project).guardrails] == ["first"]
    assert as_owner.post(url(project, "rules/5/remove")).status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pattern": "(a"}, "missing )"),
        ({"pattern": ""}, "needs a pattern"),
        ({"name": "<b>"}, "letters, digits"),
        ({"kind": "max_tokens"}, "needs a limit"),
        ({"restore": "on"}, "Only what a pii rule masks"),
    ],
)
def test_a_rule_is_refused_at_its_field(as_owner: Client, project: Project, change: dict[str, str], said: str) -> None:
    shown = as_owner.post(url(project, "rules"), RULE | change)
    assert shown.status_code == 200 and said in shown.content.decode()
    assert not GatewayControls.objects.exists()


def test_a_name_is_used_once(as_owner: Client, project: Project) -> None:
    as_owner.post(url(project, "rules"), RULE)
    assert "Two rules" in as_owner.post(url(project, "rules"), RULE).content.decode()


@pytest.mark.parametrize("end", ["", "rules", "clear", "rules/0/up", "rules/0/remove"])
def test_only_an_owner_changes_anything(
    as_member: Client, as_viewer: Client, as_stranger: Client, project: Project, end: str
) -> None:
    controls.write(project, {"guardrails": [REGEX]})
    assert [who.post(url(project, end), CACHE | RULE).status_code for who in (as_member, as_viewer)] == [403, 403]
    assert as_stranger.post(url(project, end), CACHE | RULE).status_code == 404
    assert controls.of(project).guardrails[0]["name"] == REGEX["name"]


def test_a_stranger_sees_nothing(as_stranger: Client, project: Project) -> None:
    assert as_stranger.get(url(project)).status_code == 404
    assert [as_stranger.get(api(project, end)).status_code for end in ("", "/report")] == [404, 404]
    assert put(as_stranger, project, {"exact_cache": True}).status_code == 404


def test_the_api_sets_what_is_named(as_owner: Client, as_member: Client, project: Project) -> None:
    told = put(as_owner, project, {"exact_cache": True, "guardrails": [REGEX]}).json()
    assert told["exact_cache"] is True and told["similarity"] == 0.97 and told["guardrails"][0]["on"] == "input"
    assert put(as_owner, project, {"ttl_s": 60}).json()["exact_cache"] is True
    assert as_member.get(api(project)).json()["ttl_s"] == 60
    assert put(as_member, project, {"ttl_s": 61}).status_code == 403


@pytest.mark.parametrize(
    "given",
    [
        {"similarity": 0.5},
        {"ttl_s": 0},
        {"ttl_s": 1.5},
        {"max_entries": 10**9},
        {"check_share": 0},
        {"semantic_cache": True},
        {"guardrails": [{"name": "x", "kind": "regex", "pattern": "("}]},
        {"guardrails": "all"},
        {"colour": "red"},
    ],
)
def test_the_api_refuses_what_nobody_can_mean(as_owner: Client, project: Project, given: dict[str, Any]) -> None:
    refusal = put(as_owner, project, given)
    assert refusal.status_code in (400, 422) and refusal.json()["detail"]
    assert not GatewayControls.objects.exists()


def test_privacy_mode_and_a_cache_exclude_each_other(as_owner: Client, project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(is_private=True)
    refusal = put(as_owner, project, {"exact_cache": True})
    assert refusal.status_code == 400 and "no words are kept" in refusal.json()["detail"]
    assert "In privacy mode no words are kept" in as_owner.get(url(project)).content.decode()


def test_a_cache_is_cleared(as_owner: Client, as_member: Client, project: Project) -> None:
    controls.write(project, {"exact_cache": True})
    before = controls.held(project)
    assert as_member.delete(api(project, "/cache")).status_code == 403
    assert as_owner.delete(api(project, "/cache")).status_code == 204
    after = controls.held(project)
    assert before is not None and after is not None and before.namespace != after.namespace
    assert as_owner.post(url(project, "clear")).status_code == 302


def test_a_report_without_calls_knows_nothing(as_viewer: Client, project: Project) -> None:
    told = as_viewer.get(api(project, "/report")).json()
    assert told["hits"]["n_hits"] == 0 and told["hits"]["share"] is None and told["hits"]["saved_usd"] is None
    assert told["false_hits"]["share"] is None and told["guardrails"] == [] and told["expected"] is None
    assert as_viewer.get(api(project, "/report?days=0")).status_code == 400


def test_the_command_tells_the_same(project: Project) -> None:
    out = StringIO()
    call_command("response_cache", project.slug, stdout=out)
    assert "0 of 0 answers" in out.getvalue() and "20 more checks" in out.getvalue()
    out = StringIO()
    call_command("response_cache", project.slug, "--json", stdout=out)
    assert json.loads(out.getvalue())["hits"]["n_calls"] == 0
    with pytest.raises(CommandError):
        call_command("response_cache", "nobody")
