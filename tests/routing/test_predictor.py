"""From judged pairs to a live decision: learnt from the log, kept, reported, used by the gateway, and forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from projects import log
from projects.models import Project, User
from routing import beliefs, predictor, tasks
from routing.artefact import packed
from routing.beliefs import Belief
from routing.gateway.foresight import FORESIGHT
from routing.gateway.tenants import TENANTS
from routing.models import JudgedPair, TrainedPredictor
from routing.predictor import Judged
from tests import factories
from tests.routing import learned
from tests.routing.gatewayed import Gateway
from tests.routing.scripted import said, served
from tests.routing.test_policies import auto, lead, write

FOO, BAR = "proxy/foo", "proxy/bar"
SUMS = "What is {n} plus {m}? Give only the number."
TALES = "Tell me a long bedtime story about dragon number {n} and the {m} princesses it befriended."
UNLIKE = "Traduzca al español la sentencia del tribunal supremo sobre arrendamientos rústicos."


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    FORESIGHT.clear()
    yield
    FORESIGHT.clear()


@pytest.fixture
def patient(settings: Any) -> None:
    """A deadline that a busy machine keeps, also while it loads the embedding model."""
    settings.PREDICTOR_DEADLINE_MS = 120_000


def judged(project: Project, n: int = 40) -> list[str]:
    """Logged sums, on which bar is a little better, and tales, on which it is much worse; returns the calls."""
    texts = [text.format(n=place, m=place + 3) for text in (SUMS, TALES) for place in range(n)]
    events = [factories.event(f"r-{i}", request=factories.chat_request(text)) for i, text in enumerate(texts)]
    ids = list(log.write(project.pk, events).ids)
    rows = [Judged(name, BAR, 0.3 if place < n else -0.7) for place, name in enumerate(ids)]
    assert predictor.learn(project, rows, default=FOO, source="run 1") == 2 * n
    return ids


def test_a_learned_option_replaces_the_default_on_the_kind_it_is_good_at(gateway: Gateway, patient: None) -> None:
    judged(gateway.project)
    predictor.train(gateway.project)
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        asked = [SUMS.format(n=77, m=5), TALES.format(n=77, m=5), UNLIKE]
        options = [auto(gateway, text).headers["x-netra-option"] for text in asked]
    assert options == [BAR, FOO, FOO]


def test_training_reports_keeps_and_replaces(project: Project, events: None) -> None:
    judged(project)
    (first,) = predictor.train(project)
    (second,) = predictor.train(project)
    assert (first.version, second.version) == (1, 2) and first.sha256 == second.sha256
    assert predictor.current(project) == [second] and predictor.held(project)[FOO].options == (BAR,)
    assert bytes(TrainedPredictor.objects.get(pk=first.pk).artefact) == b""
    (option,) = second.report["options"]
    assert option["option"] == BAR and option["n"] == 80 and option["skill"] > 0.5


def test_what_was_deleted_from_the_log_teaches_nothing(project: Project, events: None) -> None:
    ids = judged(project)
    predictor.train(project)
    assert predictor.due() == []
    predictor.forget(project, ids[:70])
    assert predictor.due() == [project]
    (row,) = predictor.train(project)
    assert row.sha256 == "" and row.report["too_few"] == [{"option": BAR, "n": 10}]
    assert predictor.due() == []


def test_pairs_whose_calls_are_not_in_the_log_are_counted_and_left_out(project: Project, events: None) -> None:
    predictor.learn(project, [Judged(f"{n:032x}", BAR, 0.1) for n in range(90)], default=FOO, source="x")
    (row,) = predictor.train(project)
    assert row.report["n_gone"] == 90 and row.report["n_prompts"] == 0 and predictor.held(project) == {}


def changed(project: Project, option: str, default: str, at: datetime) -> None:
    """Live answers show the option to be another one since then."""
    beliefs.learn_live(project, option, default, Belief(0.0, -0.1, 0.1, 60), since=at, has_changed=True)


def test_what_was_judged_before_an_option_changed_teaches_nothing(project: Project, events: None) -> None:
    ids = judged(project)
    before, at = timezone.now() - timedelta(days=2), timezone.now() - timedelta(days=1)
    JudgedPair.objects.filter(event_id__in=ids[:15]).update(learnt_at=before)
    changed(project, BAR, FOO, at)
    (row,) = predictor.train(project)
    assert (row.report["n_outdated"], row.report["n_prompts"], row.n_pairs) == (15, 65, 80)
    assert predictor.due() == []
    # Pairs of another default in which it stands say nothing of it either; a change of another option takes none.
    changed(project, "proxy/other", FOO, timezone.now())
    assert predictor.train(project)[0].report["n_outdated"] == 15
    changed(project, FOO, "proxy/other", timezone.now())
    (row,) = predictor.train(project)
    assert (row.report["n_outdated"], row.sha256, row.n_pairs) == (80, "", 80) and predictor.due() == []


def test_a_live_answer_counts_by_the_time_it_was_given(project: Project, events: None) -> None:
    now = timezone.now()
    rows = [Judged(f"{n:032x}", BAR, 0.1, now - timedelta(hours=n)) for n in range(10)]
    predictor.learn(project, rows, default=FOO, source="live judging")
    changed(project, BAR, FOO, now - timedelta(hours=6))
    assert predictor.train(project)[0].report["n_outdated"] == 3


def test_the_command_says_what_an_option_s_change_left_out(project: Project, events: None) -> None:
    judged(project)
    changed(project, BAR, FOO, timezone.now())
    out = StringIO()
    call_command("train_predictor", project.slug, stdout=out)
    assert "80 pairs are from before an option changed" in out.getvalue()


@pytest.mark.django_db
def test_no_difference_is_no_lesson_and_a_newer_verdict_replaces_the_older(project: Project) -> None:
    rows = [Judged("a", BAR, value) for value in (float("nan"), float("inf"), 1.5)] + [Judged("b", FOO, 0.1)]
    assert predictor.learn(project, rows, default=FOO, source="x") == 0
    for value in (0.2, -0.4):
        predictor.learn(project, [Judged("a", BAR, value)], default=FOO, source="x")
    assert JudgedPair.objects.get().difference == -0.4


@pytest.mark.django_db
def test_the_beat_trains_where_there_is_news(project: Project, events: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(tasks.train_predictor, "delay", sent.append)
    tasks.train_due()
    predictor.learn(project, [Judged("a", BAR, 0.1)], default=FOO, source="x")
    tasks.train_due()
    tasks.train_predictor(project.pk)
    tasks.train_due()
    assert sent == [project.pk]


@pytest.mark.django_db
def test_private_projects_are_not_trained(project: Project) -> None:
    predictor.learn(project, [Judged("a", BAR, 0.1)], default=FOO, source="x")
    Project.objects.filter(pk=project.pk).update(is_private=True)
    assert predictor.due() == []


def test_a_project_made_private_drops_what_was_learnt_from_its_words(project: Project, events: None) -> None:
    judged(project)
    predictor.train(project)
    project.is_private = True
    project.save()
    assert predictor.held(project) == {}
    assert predictor.due() == [project]
    tasks.train_predictor(project.pk)
    assert [bytes(row.artefact) for row in TrainedPredictor.objects.filter(project=project)] == [b"", b""]
    assert predictor.current(project)[0].report["kinds"] == [] and predictor.due() == []


def test_a_project_no_longer_private_learns_again(project: Project, events: None) -> None:
    judged(project)
    Project.objects.filter(pk=project.pk).update(is_private=True)
    tasks.train_predictor(project.pk)
    Project.objects.filter(pk=project.pk).update(is_private=False)
    assert predictor.due() == [project]
    tasks.train_predictor(project.pk)
    assert predictor.held(Project.objects.get(pk=project.pk))[FOO].options == (BAR,)


def test_a_private_project_is_answered_by_the_default(gateway: Gateway, patient: None) -> None:
    judged(gateway.project)
    predictor.train(gateway.project)
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        assert auto(gateway, SUMS.format(n=77, m=5)).headers["x-netra-option"] == BAR
        Project.objects.filter(pk=gateway.project.pk).update(is_private=True)
        TENANTS.forget()
        assert auto(gateway, SUMS.format(n=77, m=5)).headers["x-netra-option"] == FOO


@pytest.mark.parametrize("told", [{}, {"format": "netra-predictor/0"}])
def test_a_predictor_of_an_earlier_version_is_trained_again(
    project: Project, events: None, told: dict[str, str]
) -> None:
    judged(project)
    (row,) = predictor.train(project)
    row.report = {name: value for name, value in row.report.items() if name != "format"} | told
    row.save()
    assert predictor.due() == [project]
    predictor.train(project)
    assert predictor.due() == []


def kept(project: Project, content: bytes, **fields: Any) -> TrainedPredictor:
    told = {"options": [], "kinds": [], "too_few": [], "n_prompts": 0, "n_gone": 0}
    given = {"default_option": FOO, "artefact": content, "sha256": "0" * 64, "n_pairs": 0, "report": told}
    return TrainedPredictor.objects.create(project=project, **given | fields)


@pytest.mark.django_db
def test_a_spoilt_artefact_leaves_the_plain_beliefs_in_charge(project: Project) -> None:
    kept(project, packed(learned.learnt(60))[:-10])
    assert predictor.held(project) == {}


def test_a_failed_gate_is_not_passed_by_a_closer_look(gateway: Gateway, patient: None) -> None:
    judged(gateway.project)
    predictor.train(gateway.project)
    beliefs.learn(gateway.project, BAR, FOO, mean=0.1, low=-1.0, high=-1.0, n=80, source="run 1")
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        assert auto(gateway, SUMS.format(n=77, m=5)).headers["x-netra-option"] == FOO


def test_a_prediction_that_comes_too_late_is_not_waited_for(gateway: Gateway, settings: Any) -> None:
    settings.PREDICTOR_DEADLINE_MS = 0
    judged(gateway.project)
    predictor.train(gateway.project)
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        assert auto(gateway, SUMS.format(n=78, m=5)).headers["x-netra-option"] == FOO
        beliefs.learn(gateway.project, BAR, FOO, mean=0.0, low=-0.01, high=0.01, n=300, source="run 2")
        TENANTS.forget()
        assert auto(gateway, TALES.format(n=78, m=5)).headers["x-netra-option"] == BAR


@pytest.mark.parametrize("text", ["", "\ud800 half a character", "\x00" * 3_000, "9" * 50_000, "💥" * 500])
def test_hostile_words_are_answered_by_the_default(gateway: Gateway, patient: None, text: str) -> None:
    judged(gateway.project)
    predictor.train(gateway.project)
    with served(said()) as upstream:
        lead(gateway, upstream.base_url)
        write(gateway.project)
        reply = auto(gateway, text)
    assert reply.status == 200 and reply.headers["x-netra-option"] == FOO


def test_the_api_and_the_page_tell_the_report(project: Project, events: None, owner: User, stranger: User) -> None:
    judged(project)
    predictor.train(project)
    factories.supply_option(FOO)
    factories.supply_option(BAR)
    write(project)
    for url in ("/api/v1/routing/agent/predictor", "/projects/agent/routing/policies/auto/"):
        assert [factories.client(who).get(url).status_code for who in (owner, stranger)] == [200, 404]
    (told,) = factories.client(owner).get("/api/v1/routing/agent/predictor").json()
    assert told["default_option"] == FOO and told["report"]["options"][0]["option"] == BAR
    assert "What the predictor knows" in factories.client(owner).get(url).content.decode()


def test_the_command_trains_and_tells(project: Project, events: None) -> None:
    out = StringIO()
    call_command("train_predictor", "agent", stdout=out)
    assert "no judged pairs yet" in out.getvalue()
    judged(project)
    out = StringIO()
    call_command("train_predictor", "agent", json=True, stdout=out)
    (told,) = json.loads(out.getvalue())
    assert told["default"] == FOO and told["n_prompts"] == 80
    with pytest.raises(CommandError, match="no project 'nobody'"):
        call_command("train_predictor", "nobody")
