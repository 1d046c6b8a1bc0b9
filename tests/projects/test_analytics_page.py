"""The analytics page: a question in the address, its answer as chart, table, link and file; strangers see nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from django.test import Client

from projects import log
from projects.analytics import engine, links
from projects.analytics_forms import FORMS
from projects.models import Project
from projects.workloads import Purpose
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
URL = "/projects/agent/analytics/"


@pytest.fixture
def calls(project: Project) -> None:
    log.write(
        project.pk,
        [
            factories.event(
                f"r-{n}",
                started_at=factories.NOON - timedelta(days=n),
                duration_ms=100.0 * (n + 1),
                requested_model=("<b>a</b>", "b")[n % 2],
                user_id="u-1",
            )
            for n in range(12)
        ],
    )


def get(client: Client, **asked: Any) -> Any:
    return client.get(URL, asked)


@pytest.mark.parametrize("analysis", FORMS)
def test_every_analysis_answers_with_its_own_first_question(
    as_viewer: Client, as_stranger: Client, project: Project, calls: None, analysis: str
) -> None:
    answer = get(as_viewer, analysis=analysis)
    assert answer.status_code == 200
    assert "<h2>Answer</h2>" in answer.content.decode()
    assert get(as_stranger, analysis=analysis).status_code == 404


@pytest.mark.parametrize("analysis", FORMS)
def test_an_empty_log_gets_a_page_too(as_viewer: Client, project: Project, analysis: str) -> None:
    assert get(as_viewer, analysis=analysis).status_code == 200


def test_a_table_with_a_picture_and_the_events_behind_each_row(
    as_viewer: Client, project: Project, calls: None
) -> None:
    text = get(as_viewer, figures=["calls"], grain="day", days="7").content.decode()
    assert "<svg" in text and text.count(">events</a>") == 8
    text = get(as_viewer, figures=["calls"], dimensions=["model"], days="30").content.decode()
    assert "&lt;b&gt;a&lt;/b&gt;" in text and "<b>a</b>" not in text


def test_the_link_behind_a_row_leads_to_just_those_events(as_viewer: Client, project: Project, calls: None) -> None:
    answer = get(as_viewer, figures=["calls"], dimensions=["model"])
    row = next(row for row in answer.context["rows"] if row["cells"][0]["text"] == "b")
    shown = as_viewer.get(row["url"]).context["found"].rows
    assert len(shown) == 6 and {each["requested_model"] for each in shown} == {"b"}
    assert set(parse_qs(urlparse(row["url"]).query)) == {"model", "since", "until", "purpose"}


def test_the_events_behind_a_row_leave_out_what_the_answer_leaves_out(
    as_viewer: Client, project: Project, calls: None
) -> None:
    log.write(project.pk, [factories.event("judged", requested_model="b", purpose="judge")])
    answer = get(as_viewer, figures=["calls"], dimensions=["model"])
    row = next(row for row in answer.context["rows"] if row["cells"][0]["text"] == "b")
    assert row["cells"][1]["text"] == "6" and len(as_viewer.get(row["url"]).context["found"].rows) == 6


@pytest.mark.parametrize(
    ("purposes", "told"),
    [
        (["ingested", "live"], "demand"),
        (["judge"], "judge"),
        (list(Purpose), None),
        (["live", "judge"], "no link"),
    ],
)
def test_a_link_names_the_purposes_asked_for(purposes: list[str], told: str | None) -> None:
    span = (factories.NOON, factories.NOON + timedelta(days=1))
    question = engine.parsed({"analysis": "aggregate", "since": span[0], "until": span[1], "purposes": purposes})
    found = links.link(question, span, {"model": "b"})
    assert (found.get("purpose") if found else "no link") == told


@pytest.mark.parametrize(("format_", "start"), [("csv", b"model,calls"), ("parquet", b"PAR1")])
def test_as_a_file(as_viewer: Client, project: Project, calls: None, format_: str, start: bytes) -> None:
    answer = get(as_viewer, figures=["calls"], dimensions=["model"], format=format_)
    assert answer.content.startswith(start)
    assert f'"agent-aggregate.{format_}"' in answer.headers["Content-Disposition"]


def test_filters_read_words_numbers_and_unknown(as_viewer: Client, project: Project, calls: None) -> None:
    for only, word, n in [
        ("is_replayable", "yes", 12),
        ("http_status", "200", 12),
        ("session_id", "", 12),
        ("kind", "x", 0),
    ]:
        answer = get(as_viewer, figures=["calls"], only=only, only_is=word)
        assert answer.context["answer"].rows == ((n,),)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"analysis": "sql", "figures": ["calls"]}, 200),
        ({"figures": ["sum(cost)"]}, 200),
        ({"first_day": "2026-12-01", "last_day": "2026-11-01"}, 400),
        ({"first_day": "0001-01-01"}, 400),
        ({"dimensions": ["model", "kind", "tag", "flag"]}, 400),
        ({"only": "http_status", "only_is": "9" * 30}, 400),
        ({"only": "is_refusal", "only_is": "' OR 1=1"}, 400),
        ({"days": "365", "first_day": "2017-01-01", "grain": "hour"}, 413),
        ({"format": "exe"}, 200),
        ({"limit": "-5"}, 200),
    ],
)
def test_hostile_addresses_get_a_page_with_a_sentence(
    as_viewer: Client, project: Project, calls: None, asked: dict[str, Any], status: int
) -> None:
    assert get(as_viewer, **asked).status_code == status


def test_days_are_those_of_the_readers_zone(project: Project, viewer: Any, calls: None) -> None:
    viewer.time_zone = "Asia/Tokyo"
    viewer.save()
    answer = get(
        factories.client(viewer), figures=["calls"], grain="day", first_day="2026-11-02", last_day="2026-11-02"
    )
    assert answer.context["answer"].since.isoformat() == "2026-11-02T00:00:00+09:00"


def test_measures_are_called_by_their_titles(as_viewer: Client, project: Project, calls: None) -> None:
    text = get(as_viewer, analysis="correlation", measures=["duration_ms", "tokens_input"]).content.decode()
    answer = text.split("<h2>Answer</h2>")[1]
    assert ">Latency</td>" in answer and ">Input tokens</td>" in answer and "duration_ms" not in answer.split("Save")[0]


def test_each_group_leads_to_the_call_at_its_middle(as_viewer: Client, project: Project, calls: None) -> None:
    text = get(as_viewer, analysis="clusters", measures=["duration_ms", "tokens_input"], k="2").content.decode()
    urls = [part.split('"')[0] for part in text.split('<td class="shrink"><a href="')[1:]]
    assert len(urls) == 2 and all(as_viewer.get(url).status_code == 200 for url in urls)


@pytest.mark.parametrize(
    ("asked", "is_open"), [({}, False), ({"only": "model", "only_is": "b"}, True), ({"first_day": "no day"}, True)]
)
def test_conditions_are_folded_until_one_is_asked(
    as_viewer: Client, project: Project, calls: None, asked: dict[str, str], is_open: bool
) -> None:
    text = get(as_viewer, **asked).content.decode()
    assert ('<details class="fold" open><summary>Own days' in text) is is_open


def test_a_picture_says_where_it_begins_and_how_high_it_goes(as_viewer: Client, project: Project, calls: None) -> None:
    text = get(as_viewer, figures=["calls"], grain="day", days="7").content.decode()
    assert "highest 1</p>" in text and "<span>Mon 2026-10-26</span>" in text
