"""The counterfactual report by page, API and command: what another policy would have cost on logged decisions."""

from __future__ import annotations

import html
import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from netra.errors import Invalid
from projects.models import Project
from routing import policies
from routing.counterfactual import reading
from routing.counterfactual.report import Question, Report, report
from routing.models import RoutingPolicy
from tests import factories
from tests.routing import decided
from tests.routing.decided import CHEAP, DEAR, NEW

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
PAGE = "/projects/agent/routing/counterfactual"
API = "/api/v1/routing/counterfactual"


@pytest.fixture
def row(project: Project) -> RoutingPolicy:
    decided.options(project)
    return decided.policy(project)


def split(project: Project, cheap: float = 1.0, dear: float = 0.0, **fields: Any) -> Question:
    rules = {"shares": {DEAR: dear, CHEAP: cheap}}
    return Question(policies.draft(project, "auto", kind="split", default_option=DEAR, rules=rules), **fields)


def told(project: Project, **fields: Any) -> Report:
    return report(project, split(project, **fields))


def test_all_to_the_cheap_option(project: Project, row: RoutingPolicy) -> None:
    decided.logged(project, row)
    found = told(project)
    cost, latency, errors = (found.of(name) for name in ("cost_usd", "latency_ms", "errors"))
    assert cost and latency and errors and found.overlap and found.overlap.is_enough
    assert (found.n_logged, found.n_read, found.n_unreadable) == (400, 400, 0)
    # A fifth of the calls explored the cheap one: 0.2 × 0.002 + 0.8 × 0.01.
    assert cost.logged.low < 0.0084 < cost.logged.high  # type: ignore[operator]
    assert cost.other.low < 0.002 < cost.other.high < 0.003  # type: ignore[operator]
    assert cost.difference.high < 0  # type: ignore[operator]
    assert latency.other.low < 300 < latency.other.high  # type: ignore[operator]
    assert errors.other.low <= 0.05 <= errors.other.high  # type: ignore[operator]
    for each in (cost, latency, errors):
        assert each.ips and each.snips and each.ips.low <= each.other.value <= each.ips.high  # type: ignore[operator]
        assert each.other.effective_n == pytest.approx(80, rel=0.3)


def test_the_policy_that_was_logged_is_worth_what_was_logged(project: Project, row: RoutingPolicy) -> None:
    decided.logged(project, row, 120)
    found = report(project, Question(policies.as_policy(row)))
    for each in found.measures[:3]:
        assert each.ips and each.ips.value == pytest.approx(each.logged.value)
        # Doubly robust averages over the draw as well, so it may differ a little from what was drawn.
        assert each.difference.low <= 0 <= each.difference.high  # type: ignore[operator]
    assert found.overlap and found.overlap.effective_n == pytest.approx(120)
    assert found.replay and found.replay.moved == pytest.approx(0.32, abs=0.1)


def test_an_option_never_tried_says_nothing(project: Project, row: RoutingPolicy) -> None:
    decided.logged(project, row, 60)
    draft = policies.draft(project, "auto", kind="fixed", default_option=NEW, rules={})
    found = report(project, Question(draft))
    assert found.overlap and not found.overlap.is_enough and found.overlap.untried == (NEW,)
    assert "100.0% of its traffic" in found.overlap.sentence
    assert all(each.other.value is None and each.difference.low is None for each in found.measures[:3])
    assert all(each.logged.value is not None for each in found.measures[:3])
    # The replay still says where the calls would go, and what prices foresee.
    assert found.replay and found.replay.moved == 1 and found.replay.shares[0].option == NEW
    assert found.replay.saving_usd and found.replay.saving_usd > 0


def test_without_exploration_nothing_is_said_of_another_choice(project: Project, row: RoutingPolicy) -> None:
    careful = decided.policy(project, rules={"exploration": 0.0})
    decided.logged(project, careful, 60)
    found = told(project)
    assert found.overlap and found.overlap.unsupported == 1
    assert found.of("cost_usd").other.value is None  # type: ignore[union-attr]


def test_quality_comes_from_judged_pairs(project: Project, row: RoutingPolicy) -> None:
    ids = decided.logged(project, row, 300)
    assert told(project).of("quality").other.value is None  # type: ignore[union-attr]
    decided.judge(project, ids[:120], -0.05)
    quality = told(project).of("quality")
    assert quality and quality.other.n == 120
    assert quality.other.low < -0.05 < quality.other.high < -0.03  # type: ignore[operator]
    half = told(project, dear=1.0).of("quality")
    assert half and half.other.value == pytest.approx(quality.other.value / 2, rel=0.2)  # type: ignore[operator]


def test_pairs_against_another_default_do_not_count(project: Project, row: RoutingPolicy) -> None:
    decided.judge(project, decided.logged(project, row, 100), option=CHEAP)
    draft = policies.draft(project, "auto", kind="fixed", default_option=CHEAP, rules={})
    quality = report(project, Question(draft)).of("quality")
    assert quality and quality.other.value == 0 and quality.logged.value is None


def test_points_say_what_is_surely_beaten(project: Project, row: RoutingPolicy) -> None:
    ids = decided.logged(project, row, 400)
    decided.judge(project, ids, 0.2)
    points = {each.name: each for each in told(project).points}
    # What decides alike is one point.
    assert points.keys() == {"as logged", f"this policy, always {CHEAP}", f"always {DEAR}"}
    assert points[f"always {DEAR}"].is_default and points[f"always {DEAR}"].is_beaten
    assert not points[f"this policy, always {CHEAP}"].is_beaten


def test_points_show_what_other_margins_would_do(project: Project, row: RoutingPolicy) -> None:
    decided.logged(project, row, 100, low=-0.08)
    names = [each.name for each in report(project, Question(policies.as_policy(row))).points]
    assert names[0] == f"as logged, this policy, margin 0%, margin 2%, margin 5%, always {DEAR}"
    assert names[1] == "margin 10%"


def test_only_the_window_s_decisions_count(project: Project, row: RoutingPolicy) -> None:
    decided.logged(project, row, 40, at=timezone.now() - timezone.timedelta(days=5))
    other = decided.policy(project, "other")
    decided.logged(project, other, 30)
    assert told(project).n_logged == 70
    assert told(project, days=3).n_logged == 30
    assert told(project, traffic="auto").n_logged == 40
    assert told(project, days=1, until=timezone.now() - timezone.timedelta(days=4)).n_logged == 40
    with pytest.raises(Invalid):
        told(project, days=91)


# ---------------------------------------------------------------- page
def test_the_page_says_what_to_do_first(as_owner: Client, project: Project) -> None:
    assert "No policy yet" in as_owner.get(PAGE).content.decode()
    decided.options(project)
    decided.policy(project)
    assert "Nothing to decide again" in as_owner.get(PAGE).content.decode()


def test_the_page_shows_measures_replay_and_picture(as_viewer: Client, project: Project, row: RoutingPolicy) -> None:
    decided.judge(project, decided.logged(project, row, 300), 0.01)
    page = as_viewer.get(f"{PAGE}?policy=auto&days=7").content.decode()
    for words in ("Cost a call", "Doubly robust", "Replay, call by call", "calls are worth", "data-chart-url", CHEAP):
        assert words in page
    assert "Put the draft in use" not in page
    chart = as_viewer.get(f"{PAGE}/picture?policy=auto&scheme=dark")
    assert "USD per 1,000 calls" in chart.content.decode()


def pictured(client: Client, **query: str) -> str:
    """The address of the picture that a page carries."""
    found = re.search('data-chart-url="([^"]+)"', client.get(PAGE, query).content.decode())
    assert found
    return html.unescape(found[1])


def test_page_and_picture_are_reckoned_once(
    as_viewer: Client, project: Project, row: RoutingPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided.judge(project, decided.logged(project, row, 300), 0.01)
    read, windows = reading.read, []
    monkeypatch.setattr(reading, "read", lambda project, window: windows.append(window) or read(project, window))
    address = pictured(as_viewer, policy="auto", days="7")
    light, dark = (as_viewer.get(f"{address}&scheme={each}").json() for each in ("light", "dark"))
    assert len(windows) == 1 and light != dark
    # What nobody remembers is reckoned anew, and says the same.
    cache.clear()
    assert "USD per 1,000 calls" in as_viewer.get(address).content.decode() and len(windows) == 2


def test_what_a_page_kept_is_for_those_who_see_the_project(
    as_owner: Client, as_stranger: Client, project: Project, row: RoutingPolicy
) -> None:
    decided.judge(project, decided.logged(project, row, 300), 0.01)
    address = pictured(as_owner)
    assert as_stranger.get(address).status_code == 404
    assert as_stranger.get(address.replace("/agent/", "/elsewhere/")).status_code == 400


def draft(**changes: str) -> dict[str, Any]:
    given = {"policy": "auto", "days": "7", "kind": "split", "default_option": DEAR, "shares": f"{CHEAP} 1"}
    return given | {"margin_points": "2", "exploration_percent": "0"} | changes


def test_a_draft_is_tried_from_the_address(as_owner: Client, project: Project, row: RoutingPolicy) -> None:
    decided.logged(project, row, 200)
    page = as_owner.get(PAGE, draft()).content.decode()
    assert "The draft" in page and "Put the draft in use" in page
    assert RoutingPolicy.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"shares": ""}, "A split needs shares"),
        ({"shares": "x"}, "is not an option with a number"),
        ({"days": "0"}, "greater than or equal to 1"),
        ({"last_day": "yesterday"}, "Enter a valid date"),
    ],
)
def test_wrong_values_say_so_at_the_field(
    as_owner: Client, project: Project, row: RoutingPolicy, changes: dict[str, str], sentence: str
) -> None:
    page = as_owner.get(PAGE, draft(**changes)).content.decode()
    assert sentence in page and "Replay, call by call" not in page
    assert as_owner.get(f"{PAGE}/picture", draft(**changes)).status_code == 400


def test_a_stranger_sees_nothing(as_stranger: Client, project: Project, row: RoutingPolicy) -> None:
    assert as_stranger.get(PAGE).status_code == 404
    assert as_stranger.get(f"{PAGE}/picture").status_code == 404
    assert as_stranger.post(f"{PAGE}?kind=fixed").status_code == 404
    asked = {"project": "agent", "policy": "auto"}
    assert as_stranger.post(API, asked, content_type="application/json").status_code == 404
    assert as_stranger.post(f"{API}/adopt", asked, content_type="application/json").status_code == 404
    assert as_stranger.get("/api/v1/routing/agent/adoptions").status_code == 404


# ---------------------------------------------------------------- API and command
def ask(client: Client, path: str = API, **fields: Any) -> Any:
    return client.post(path, {"project": "agent", **fields}, content_type="application/json")


def test_the_api_tells_the_same(project: Project, row: RoutingPolicy) -> None:
    decided.logged(project, row, 200)
    drafted = {"kind": "split", "default_option": DEAR, "rules": {"shares": {CHEAP: 1}}}
    found = ask(factories.api_client(project), draft=drafted).json()
    expected = told(project)
    assert (found["version"], found["n_read"], found["overlap"]["is_enough"]) == (0, 200, True)
    (cost,) = [each for each in found["measures"] if each["measure"] == "cost_usd"]
    assert cost["policy"]["value"] == pytest.approx(expected.of("cost_usd").other.value)  # type: ignore[union-attr]
    assert found["measures"][3]["policy"] == {"value": None, "low": None, "high": None, "n": 0, "effective_n": 200.0}
    assert found["replay"]["shares"][0]["option"] == CHEAP


def test_the_api_refuses_what_it_cannot_read(project: Project, row: RoutingPolicy) -> None:
    client = factories.api_client(project)
    assert ask(client, policy="none").status_code == 404
    assert ask(client, days=0).status_code in (400, 422)
    assert ask(client, draft={"kind": "split", "default_option": DEAR}).status_code == 400
    assert ask(client, draft={"kind": "fixed", "default_option": "no/such"}).status_code == 400


def said(*args: Any) -> str:
    out = StringIO()
    call_command("counterfactual", *args, stdout=out)
    return out.getvalue()


def test_the_command(project: Project, row: RoutingPolicy) -> None:
    assert "Nothing to decide again" in said("agent", "auto")
    decided.logged(project, row, 100)
    written = said("agent", "auto", "--days", "3")
    assert "auto v1 on 100 of 100 logged decisions" in written and "cost_usd" in written
    assert json.loads(said("agent", "auto", "--json"))["n_read"] == 100
    for args in (("nobody", "auto"), ("agent", "none"), ("agent", "auto", "--days", "0")):
        with pytest.raises(CommandError):
            said(*args)
