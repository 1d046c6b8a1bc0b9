"""The ledger's pages and API: reasons with shares and examples, links that lead to the same calls, lines by page."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.test import Client

from projects import log, shipping
from projects.models import Import, ImportLine, Project
from projects.spool import Spool
from tests import factories
from tests.factories import NOON
from tests.projects.test_shipping import frame

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
CUT = frozenset({"truncated_request"})


@pytest.fixture
def told(project: Project) -> Import:
    """Two whole calls and one cut off, of one import; another file of the project has a line that was refused."""
    taking = Import.objects.create(
        project=project, file_name="calls.jsonl", state="done", n_lines=3, n_taken=3, n_merged=1
    )
    given = [factories.event("a", cost_recorded_usd=Decimal(3)), factories.event("b", source_record_id="b")]
    given.append(factories.event("c", flags=CUT, cost_recorded_usd=Decimal(1)))
    log.write(project.pk, given, import_id=taking.pk)
    other = Import.objects.create(
        project=project, file_name="x", state="done", n_lines=1, n_rejected=1, reject_counts={"missing_id": 1}
    )
    ImportLine.objects.create(of_import=other, line_number=7, outcome="rejected", code="missing_id", sentence="No id.")
    return taking


def ledger(client: Client, query: str = "") -> str:
    return client.get(f"/projects/agent/ledger/{query}").content.decode()


def test_an_empty_project_says_what_to_do(as_viewer: Client, project: Project) -> None:
    page = ledger(as_viewer)
    assert "Import a log" in page
    assert "0.0" not in page


def test_reasons_stand_with_shares_of_calls_and_spend(as_viewer: Client, told: Import) -> None:
    page = ledger(as_viewer)
    assert "The request was cut off when it was logged." in page
    assert "33.3" in page  # one of three calls
    assert "25.0" in page  # 1 of 4 USD


def test_every_figure_links_to_the_calls_it_counts(as_viewer: Client, told: Import) -> None:
    counted = {"blocked=truncated": 1, "cost=price_unknown": 2, "replayable=yes": 2, "cost=recorded": 2}
    links = {unescape(each) for each in re.findall(r'href="([^"]*/logs/\?[^"]*)"', ledger(as_viewer))}
    for part, n in counted.items():
        (link, *_) = (each for each in links if each.endswith(part))
        assert as_viewer.get(link).content.decode().count('<td class="nowrap"><a href="/projects/agent/logs/') == n


def test_the_window_is_chosen_in_words_or_exactly(as_viewer: Client, told: Import) -> None:
    assert "No calls in this window" in ledger(as_viewer, "?since=2027-01-01T00:00")
    assert "The whole log." in ledger(as_viewer, "?window=all")
    assert "The end lies before the beginning." in ledger(as_viewer, "?since=2026-11-03T00:00&until=2026-11-01T00:00")


@pytest.mark.parametrize(
    "query", ["?since=0001-01-01T00:00", "?until=9999-12-31T23:59", "?window=%00", "?source=zzz", "?since=x"]
)
def test_spoilt_windows_get_a_sentence(as_viewer: Client, told: Import, query: str) -> None:
    assert as_viewer.get(f"/projects/agent/ledger/{query}").status_code == 200


def test_lines_of_all_imports_are_paged_with_their_reasons(as_viewer: Client, told: Import) -> None:
    ImportLine.objects.bulk_create(
        ImportLine(of_import=told, line_number=n, outcome="merged", code="same_call", sentence="m") for n in range(250)
    )
    page = as_viewer.get("/projects/agent/ledger/lines").content.decode()
    assert "1 to 100 of 251" in page
    assert "201 to 251 of 251" in as_viewer.get("/projects/agent/ledger/lines?from=200").content.decode()
    only = as_viewer.get("/projects/agent/ledger/lines?outcome=rejected").content.decode()
    assert "No id." in only
    assert "1 to 1 of 1" in only


@pytest.mark.parametrize("query", ["?from=1e9", "?from=99999999999999999999", "?outcome=%00", "?code=%00&from=٣"])
def test_spoilt_places_are_read_as_the_first(as_viewer: Client, told: Import, query: str) -> None:
    assert as_viewer.get(f"/projects/agent/ledger/lines{query}").status_code == 200


def test_an_import_tells_how_its_calls_stand(as_viewer: Client, told: Import) -> None:
    page = as_viewer.get(told.get_absolute_url()).content.decode()
    assert "How its calls stand today" in page
    assert f"import_id={told.pk}" in page
    assert "Merged" in page
    assert "Not a call" in page


def test_what_senders_pushed_is_a_ledger_of_the_day(as_viewer: Client, project: Project, tmp_path: Any) -> None:
    spool = Spool(tmp_path, max_bytes=1 << 20)
    spool.append(frame(project, factories.event("r", source="otel")))
    shipping.ship(spool)
    spool.close()
    (taking,) = Import.objects.all()
    page = as_viewer.get(taking.get_absolute_url()).content.decode()
    assert "pushed by senders" in page
    assert "0 bytes" not in page
    assert "The last batch was written" in page
    assert ">pushed<" in as_viewer.get("/projects/agent/imports/").content.decode()


def test_the_api_tells_the_ledger(as_viewer: Client, told: Import) -> None:
    found = as_viewer.get("/api/v1/logs/agent/ledger").json()
    (reason,) = found["standing"]["not_replayable"]
    assert (reason["code"], reason["amount"]["n_calls"], reason["amount"]["share_of_spend"]) == ("truncated", 1, 0.25)
    assert found["imports"]["n_rejected"] == found["total"] == 1
    assert found["standing"]["costs"]["residual_usd"] is None
    of_one = as_viewer.get(f"/api/v1/logs/agent/ledger?import_id={told.pk}").json()
    assert (of_one["total"], of_one["imports"]["n_lines"], of_one["standing"]["all"]["n_calls"]) == (0, 3, 3)


def test_the_api_counts_tries_once(as_viewer: Client, project: Project) -> None:
    failed = factories.event("a", trace_id="t", outcome="provider_error")
    log.write(project.pk, [failed, factories.event("b", trace_id="t", started_at=NOON + timedelta(seconds=1))])
    totals = as_viewer.get("/api/v1/logs/agent/stats").json()
    assert (totals["n_calls"], totals["n_attempts"], totals["n_demands"]) == (2, 1, 1)


@pytest.mark.parametrize("import_id", ["0", "-1", "999", str(2**70)])
def test_an_import_that_is_not_there_is_not_found(as_viewer: Client, told: Import, import_id: str) -> None:
    assert as_viewer.get(f"/api/v1/logs/agent/ledger?import_id={import_id}").status_code in (404, 422)


def test_the_api_tells_an_event_with_cost_and_sources(as_viewer: Client, told: Import, project: Project) -> None:
    (event_id,) = log.write(project.pk, [factories.event("z", cost_recorded_usd=Decimal("0.5"))]).ids
    found = as_viewer.get(f"/api/v1/logs/agent/events/{event_id}").json()
    assert found["cost"]["explanations"][0]["code"] == "price_unknown"
    assert [each["source"] for each in found["told"]] == ["upload"]
    assert found["versions"] == [1]
