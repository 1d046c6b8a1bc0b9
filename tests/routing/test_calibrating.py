"""Token estimates learnt from a project's log: nearer to what happened than the constants, never trusted blindly."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from netra.tokens import Tokens
from projects import log
from projects.models import Project
from routing import calibrating, decisions, policies, tasks
from routing.calibrating import Counted, error, learnt
from routing.demand import DEFAULT_OUTPUT_TOKENS, UNCALIBRATED, Calibration, describe, limit_name
from routing.models import TokenCalibration
from tests import factories

WORDS = ["please", "summarise", "what", "the", "customer", "wrote", "about", "order"]


def request(dice: random.Random, limit: int | None = None) -> dict[str, Any]:
    text = " ".join(dice.choices(WORDS, k=dice.randint(20, 200)))
    told: dict[str, Any] = factories.chat_request(text)
    return told if limit is None else {**told, "max_tokens": limit}


def logged(project: Project, n: int = 120, *, chars_per_token: float = 6.0, **fields: Any) -> None:
    """Calls of a project whose tokens are long; short answers where little was asked for."""
    dice = random.Random(5)
    made = []
    for number in range(n):
        limit = (None, 60, 2_000)[number % 3]
        asked = request(dice, limit)
        size = round(len(asked["messages"][0]["content"]) / chars_per_token)
        said = {None: 90, 60: 20, 2_000: 900}[limit] + dice.randint(-5, 5)
        made.append(
            factories.event(
                f"r-{number}",
                started_at=timezone.now(),
                purpose="live",
                request=asked,
                tokens=Tokens(input_fresh=size, cache_read=0, output_visible=said),
                **fields,
            )
        )
    log.write(project.pk, made)


@pytest.fixture
def ours(project: Project, events: None) -> Project:
    return project


def test_what_is_learnt_errs_less_than_the_constants_on_calls_it_never_saw(ours: Project) -> None:
    logged(ours)
    row = calibrating.calibrate(ours)
    assert row is not None and row.n == 120
    told = row.report
    assert told["input_error"] < 0.05 < 0.4 < told["input_error_constant"]
    assert told["output_error"] < 0.1 < 0.5 < told["output_error_constant"]
    assert row.chars_per_token == pytest.approx(6.0, rel=0.03)


def test_the_estimate_goes_by_the_limit_that_was_asked_for(ours: Project) -> None:
    logged(ours)
    calibrating.calibrate(ours)
    held = calibrating.held(ours)
    dice = random.Random(1)
    expected = [describe(request(dice, limit), calibration=held).output_tokens for limit in (None, 60, 2_000, 10)]
    assert expected[0] == pytest.approx(90, abs=3) and expected[1] == pytest.approx(20, abs=3)
    assert expected[2] == pytest.approx(900, abs=5) and expected[3] == 10  # never more than it may be


def test_few_calls_leave_the_constants(ours: Project) -> None:
    logged(ours, 49)
    assert calibrating.calibrate(ours) is None and calibrating.held(ours) == UNCALIBRATED


def test_what_has_become_too_little_is_given_up(ours: Project) -> None:
    TokenCalibration.objects.create(project=ours, chars_per_token=9.0, n=500)
    assert calibrating.calibrate(ours) is None
    assert not TokenCalibration.objects.exists()


@pytest.mark.parametrize("fields", [{"usage_origin": "missing"}, {"outcome": "provider_error"}, {"operation": "text"}])
def test_only_what_a_provider_counted_of_whole_answers_teaches(ours: Project, fields: dict[str, Any]) -> None:
    logged(ours, **fields)
    assert calibrating.counted(ours.pk) == []


def test_one_projects_tokens_are_not_anothers(ours: Project) -> None:
    logged(ours)
    other = factories.project("other")
    assert calibrating.counted(other.pk) == [] and calibrating.calibrate(other) is None


def test_where_the_constants_are_right_they_stay() -> None:
    """Nothing in the sizes to learn from: the last fifth shows that what was learnt is no better."""
    calls = [Counted(400, None, 100, DEFAULT_OUTPUT_TOKENS) for _ in range(100)]
    found, told = learnt(calls)
    assert found == UNCALIBRATED and told["input_error"] == told["input_error_constant"] == 0


@given(st.floats(0.5, 12), st.integers(1, 2_000), st.integers(0, 1_000))
def test_whatever_the_project_the_kept_estimate_is_never_worse(ratio: float, said: int, seed: int) -> None:
    dice = random.Random(seed)
    sizes = [dice.randint(50, 5_000) for _ in range(100)]
    calls = [Counted(size, None, max(1, round(size / ratio)), said + dice.randint(0, 9)) for size in sizes]
    found, _ = learnt(calls)
    rest = calls[::5]
    for is_input in (True, False):
        assert error(rest, found, is_input=is_input) <= error(rest, UNCALIBRATED, is_input=is_input)


@pytest.mark.parametrize(
    ("limit", "name"), [(None, "none"), (1, "up to 64"), (64, "up to 64"), (65, "up to 256"), (9_999, "over 4096")]
)
def test_limits_of_about_the_same_size_go_by_one_name(limit: int | None, name: str) -> None:
    assert limit_name(limit) == name


@pytest.mark.parametrize(("limit", "tokens"), [(None, 70), (50, 50), (5_000, 70)])
def test_a_limit_nobody_asked_for_before_goes_by_the_mean_of_all(limit: int | None, tokens: int) -> None:
    assert Calibration(4.0, {"any": 70.0}).answer_tokens(limit) == tokens


def test_only_projects_with_policies_are_learnt_of(ours: Project) -> None:
    logged(ours)
    tasks.calibrate_tokens()
    assert not TokenCalibration.objects.exists()
    factories.connection(ours)
    factories.supply_option("openai/old")
    policies.write(ours, "auto", kind="fixed", default_option="openai/old", rules={}, by=None)
    tasks.calibrate_tokens()
    assert TokenCalibration.objects.get().project == ours


def test_an_explained_decision_goes_by_it_and_the_page_shows_both_errors(ours: Project, as_viewer: Client) -> None:
    logged(ours)
    calibrating.calibrate(ours)
    factories.connection(ours)
    factories.supply_option("openai/old")
    policies.write(ours, "auto", kind="fixed", default_option="openai/old", rules={}, by=None)
    row = policies.as_policy(policies.named(ours, "auto"))
    told = decisions.explain(ours, row, {"messages": [{"role": "user", "content": "x" * 600}]})
    assert told["demand"]["input_tokens"] == pytest.approx(100, abs=4)
    page = as_viewer.get("/projects/agent/routing/").content.decode()
    assert "characters here, from 120 calls" in page
