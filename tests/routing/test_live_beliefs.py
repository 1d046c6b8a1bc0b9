"""Two sources of belief, kept apart: what evaluations found, and what judged live answers say now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from projects.models import Project
from routing import beliefs
from routing.beliefs import Belief, together
from routing.models import LiveBelief, OptionBelief

PAIR = ("openai/new", "openai/old")


def evaluated(project: Project, low: float, high: float, *, n: int = 200, days_ago: int = 1) -> None:
    beliefs.learn(project, *PAIR, mean=(low + high) / 2, low=low, high=high, n=n, source="evaluation 1")
    OptionBelief.objects.update(learnt_at=timezone.now() - timedelta(days=days_ago))


def live(project: Project, low: float, high: float, n: int = 100) -> None:
    belief = Belief((low + high) / 2, low, high, n)
    beliefs.learn_live(project, *PAIR, belief, since=timezone.now(), has_changed=False)


def held(project: Project) -> Belief:
    return beliefs.held(project)[PAIR]


def test_a_change_stays_known_when_the_window_has_moved_on(project: Project) -> None:
    at = timezone.now() - timedelta(days=3)
    beliefs.learn_live(project, *PAIR, Belief(-0.2, -0.3, -0.1, 60), since=at, has_changed=True)
    live(project, -0.3, -0.1)
    row = LiveBelief.objects.get()
    assert (row.has_changed, row.changed_at) == (False, at) and row.since > at


def test_each_stands_alone_where_the_other_is_missing(project: Project) -> None:
    live(project, -0.1, 0.1)
    assert (held(project).low, held(project).high, held(project).n) == (-0.1, 0.1, 100)
    LiveBelief.objects.all().delete()
    evaluated(project, -0.02, 0.03)
    assert (held(project).low, held(project).high, held(project).n) == (-0.02, 0.03, 200)


def test_where_they_meet_both_hold(project: Project) -> None:
    evaluated(project, -0.02, 0.06)
    live(project, -0.3, 0.01)
    assert (held(project).low, held(project).high, held(project).n) == (-0.02, 0.01, 300)


def test_where_they_contradict_the_live_one_stands(project: Project) -> None:
    evaluated(project, -0.02, 0.06)
    live(project, -0.5, -0.1)
    assert (held(project).low, held(project).high, held(project).n) == (-0.5, -0.1, 100)


def test_an_old_evaluation_gives_way(project: Project) -> None:
    evaluated(project, -0.02, 0.06, days_ago=31)
    live(project, -0.3, 0.01)
    assert held(project).low == -0.3
    LiveBelief.objects.all().delete()
    assert held(project).low == -0.02  # nothing newer is known


def test_what_another_gate_barred_stays_barred(project: Project) -> None:
    evaluated(project, -1.0, -1.0, days_ago=90)
    live(project, -0.01, 0.05)
    assert held(project).is_barred


def test_a_newer_live_belief_replaces_the_older_and_can_be_forgotten(project: Project) -> None:
    live(project, -0.3, 0.1)
    live(project, -0.1, 0.1)
    assert LiveBelief.objects.get().low == -0.1
    beliefs.forget_live(project, *PAIR)
    assert beliefs.held(project) == {}


bounds = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)


@given(bounds, bounds, st.integers(0, 500), st.integers(1, 500))
def test_together_never_widens_the_live_interval(
    evaluated_: list[float], live_: list[float], n: int, n_live: int
) -> None:
    one = Belief(sum(evaluated_) / 2, evaluated_[0], evaluated_[1], n)
    other = Belief(sum(live_) / 2, live_[0], live_[1], n_live)
    found = together(one, other)
    if one.is_barred:
        assert found == one
    else:
        assert other.low <= found.low <= found.high <= other.high
        assert found.low == pytest.approx(found.mean) or found.low <= found.mean <= found.high
