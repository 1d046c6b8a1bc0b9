"""Quality of live answers in a real browser: room on a phone, and both forms without script."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from evaluation.models import LiveJudging
from projects.models import Project
from routing import beliefs, catalog_sync
from routing.models import Certificate, CertificationRule
from tests.browser.conftest import Open, is_wide

PAGE = "/projects/agent/routing/quality/"
pytestmark = pytest.mark.browser


@pytest.fixture
def judged(owned: Project) -> Project:
    catalog_sync.apply(catalog_sync.plans()[1])
    pair = ("simulated/sim-medium", "simulated/sim-large")
    belief = beliefs.Belief(-0.2, -0.31, -0.09, 41)
    since = timezone.now() - timedelta(days=2)
    beliefs.learn_live(owned, *pair, belief, since=since, has_changed=True)
    for standing, is_current in (("certified", False), ("withdrawn", True)):
        reason = "quality differs by -20.0 points [-31.0, -9.0] over 41 pairs."
        Certificate.objects.create(
            project=owned,
            option=pair[0],
            default_option=pair[1],
            standing=standing,
            reason=reason,
            is_current=is_current,
        )
    return owned


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits(open_page: Open, judged: Project, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    page.goto(PAGE)
    assert page.inner_text("h1") == "Quality of live answers" and not is_wide(page)
    told = page.inner_text("main")
    assert "de-certified" in told and "over 41 pairs" in told and "changed" in told


def test_both_forms_work_without_script(open_page: Open, judged: Project) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(PAGE)
    page.check("#judging_is_on")
    page.select_option("#judging_judges", "simulated/sim-judge")
    page.fill("#judging_daily_budget_usd", "0.5")
    page.click("form[action$='judging'] button")
    assert LiveJudging.objects.get().is_on and "judged by simulated/sim-judge" in page.inner_text("body")
    page.check("#rule_is_on")
    page.fill("#rule_margin_points", "4")
    page.click("form[action$='rule'] button")
    assert CertificationRule.objects.get().margin == 0.04
