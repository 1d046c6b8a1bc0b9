"""Fits over a real log and store: what is drawn, found, kept through refits, bounded, and joined by newcomers."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import Settings

from netra import celery, embeddings
from netra.errors import Busy, Invalid
from projects import kind_arrivals, kind_fitting, kind_report, kind_sample, kind_vectors, log, log_deleting
from projects.models import Cleaning, EmbeddingDay, KindFit, KindMember, Project, WorkKind
from projects.tasks import run_kind_fit, tend_kinds
from tests import factories
from tests.projects import kinds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events", "as_directions")]


@pytest.fixture
def as_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are embedded as exact directions: the model is tested elsewhere, and takes seconds."""
    monkeypatch.setattr(embeddings, "encode", kinds.directions)
    monkeypatch.setattr(kind_arrivals, "SETTLED", timedelta(seconds=-5))


def fitted(project: Project, seed: int = 1) -> KindFit:
    return kind_fitting.run(kind_fitting.start(project, seed=seed))


def terms(fit: KindFit) -> dict[int, str]:
    return {kind.number: kind.terms[0] for kind in fit.kinds.all()}


def test_each_topic_is_a_kind_named_by_its_words(project: Project) -> None:
    log.write(project.pk, kinds.calls(60))
    fit = fitted(project)
    assert (fit.state, fit.n_sampled, fit.n_calls) == (KindFit.State.DONE, 60, 60)
    assert sorted(terms(fit).values()) == ["refund", "say", "translate"]


def test_figures_of_a_kind_are_those_of_its_calls(project: Project) -> None:
    price = {"input": "0.000002", "output": "0.000008"}
    factories.supply_option("openai/gpt-4o-mini", price=price)
    log.write(project.pk, kinds.calls(30))
    fitted(project)
    row = kind_report.report(project).rows[0]
    assert (row.figures.n_calls, row.share) == (10, pytest.approx(1 / 3))
    assert row.figures.cost_usd == 10 * Decimal("0.00028")


def test_a_refit_keeps_numbers_and_names(project: Project) -> None:
    log.write(project.pk, kinds.calls(90))
    first = terms(fitted(project))
    log.write(project.pk, kinds.calls(90, since=200))
    second = fitted(project, seed=2)
    assert terms(second) == first
    assert second.kept_share == pytest.approx(1.0)


def test_a_name_that_a_person_gave_stays(project: Project) -> None:
    log.write(project.pk, kinds.calls(60))
    fitted(project)
    kind_report.rename(project, 1, "  Money back ")
    kind = fitted(project, seed=9).kinds.get(number=1)
    assert (kind.name, kind.named_by) == ("Money back", WorkKind.NamedBy.PERSON)


def test_a_new_kind_of_work_gets_a_new_number(project: Project) -> None:
    log.write(project.pk, [kinds.call(at, ("refund", "weather")[at % 2]) for at in range(60)])
    fitted(project)
    log.write(project.pk, [kinds.call(at, "translate") for at in range(100, 130)])
    fit = fitted(project)
    assert terms(fit)[3] == "translate"
    assert fit.kinds.get(number=3).is_new and not fit.kinds.get(number=1).is_new


def test_a_number_is_not_given_twice(project: Project) -> None:
    log.write(project.pk, kinds.calls(60))
    fit = fitted(project)
    fit.kinds.filter(number=3).delete()
    WorkKind.objects.create(fit=fit, number=7, name="gone", centre=b"\0" * 64, radius=0.9)
    assert max(kind.number for kind in fitted(project).kinds.all()) == 8


def test_the_same_log_and_seed_find_the_same(project: Project) -> None:
    log.write(project.pk, kinds.calls(60))
    one, other = (fitted(project, seed=5) for _ in range(2))
    centres = [{kind.number: bytes(kind.centre) for kind in fit.kinds.all()} for fit in (one, other)]
    assert centres[0] == centres[1]


def test_a_draw_is_seeded_stratified_and_says_what_each_stands_for(project: Project) -> None:
    rare = {"metadata": {"feature": "rare"}}
    log.write(project.pk, [kinds.call(at, "refund", **(rare if at < 9 else {})) for at in range(409)])
    within = kind_sample.window(project.pk, days=30)
    assert within is not None
    drawn = kind_sample.draw(project.pk, within, n=46, seed=1)
    assert Counter(each.row["kind"] for each in drawn)["rare"] == 6
    assert sum(each.stands_for for each in drawn) == pytest.approx(409)
    assert (
        drawn
        == kind_sample.draw(project.pk, within, n=46, seed=1)
        != kind_sample.draw(project.pk, within, n=46, seed=2)
    )


def test_more_strata_than_are_kept_apart_are_drawn_as_one(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind_sample, "MAX_STRATA", 2)
    log.write(project.pk, [kinds.call(at, "refund", metadata={"feature": f"f{at % 8}"}) for at in range(80)])
    within = kind_sample.window(project.pk, days=30)
    assert within is not None
    assert sum(each.stands_for for each in kind_sample.draw(project.pk, within, n=30, seed=1)) == pytest.approx(80)


def test_another_project_s_calls_are_not_read(project: Project) -> None:
    log.write(factories.project("other").pk, kinds.calls(30))
    assert "log of this project is empty" in fitted(project).sentence


def test_too_few_prompts_are_refused_with_what_to_do(project: Project) -> None:
    log.write(project.pk, kinds.calls(2))
    fit = fitted(project)
    assert fit.state == KindFit.State.FAILED and "Only 2 calls" in fit.sentence


def test_privacy_mode_says_what_cannot_be_told_and_tells_the_rest(project: Project) -> None:
    hashed = {"request": factories.chat_request(f"hash:{'0a' * 12}:90"), "flags": frozenset({"private"})}
    log.write(project.pk, [kinds.call(at, "refund", **hashed) for at in range(8)])
    fit = fitted(project)
    assert "Privacy mode keeps hashes of 8 prompts" in fit.sentence
    assert fit.report["cache"]["exact"]["n_hits"] == 7 and fit.report["batch"]["n_calls"] == 8


def test_differing_instructions_part_kinds(project: Project) -> None:
    def told(at: int) -> dict[str, object]:
        system = {"role": "system", "content": ("refund desk", "translate desk")[at % 2]}
        return {"model": "m", "messages": [system, {"role": "user", "content": "weather"}]}

    log.write(project.pk, [kinds.call(at, "weather", request=told(at)) for at in range(40)])
    fit = fitted(project)
    assert fit.is_with_system and fit.kinds.count() in (1, 2)
    assert fitted(project, seed=2).kept_share == pytest.approx(1.0)


def test_repeats_and_batches_are_reckoned_on_the_way(project: Project) -> None:
    again = [kinds.call(at, "refund", request=factories.chat_request("Where is it?")) for at in range(5)]
    log.write(project.pk, [*again, *kinds.calls(30, since=100)])
    report = fitted(project).report
    assert (report["cache"]["exact"]["n_hits"], report["cache"]["exact"]["n_false"]) == (4, 4)
    assert [row["threshold"] for row in report["cache"]["semantic"]] == [0.99, 0.97, 0.95, 0.9]
    assert report["batch"]["by_reason"] == {"could": 35}


def test_embeddings_are_counted_once_a_text_and_bounded_a_day(project: Project, settings: Settings) -> None:
    settings.EMBEDDINGS_PER_DAY = 5
    assert kind_vectors.encode(project, ["a", "b", "a"]).shape == (3, kinds.DIMENSIONS)
    assert (kind_vectors.left(project), EmbeddingDay.objects.get().n_prompts) == (3, 2)
    with pytest.raises(Busy, match="5 embeddings of this project are spent"):
        kind_vectors.encode(project, ["c", "d", "e", "f"])


def test_a_spent_day_fails_the_fit_and_keeps_the_one_before(project: Project, settings: Settings) -> None:
    log.write(project.pk, kinds.calls(30))
    before = fitted(project)
    settings.EMBEDDINGS_PER_DAY = 2
    assert "spent" in fitted(project).sentence
    assert kind_report.report(project).fit == before


def test_one_fit_at_a_time(project: Project) -> None:
    assert kind_fitting.start(project) == kind_fitting.start(project)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_wrong_seed_is_refused(project: Project, seed: int) -> None:
    with pytest.raises(Invalid, match="seed"):
        kind_fitting.start(project, seed=seed)


def test_a_cancelled_fit_writes_nothing(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    fit = kind_fitting.start(project)
    kind_fitting.cancel(fit)
    run_kind_fit(fit.pk)
    assert KindFit.objects.get().state == KindFit.State.CANCELLED and not KindMember.objects.exists()


def test_a_cancel_on_the_way_is_heard(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(project.pk, kinds.calls(30))
    fit = kind_fitting.start(project)
    monkeypatch.setattr(kind_vectors, "encode", lambda *_: kind_fitting.cancel(fit) or kinds.directions(["x"] * 30))
    assert kind_fitting.run(fit).state == KindFit.State.CANCELLED
    assert not WorkKind.objects.exists()


def test_a_stopped_fit_goes_on_later(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    fit = kind_fitting.start(project)
    celery.stopping.set()
    try:
        run_kind_fit(fit.pk)
    finally:
        celery.stopping.clear()
    assert KindFit.objects.get().heartbeat_at is None
    run_kind_fit(fit.pk)
    assert KindFit.objects.get().state == KindFit.State.DONE


def test_a_fit_at_work_is_not_begun_twice(project: Project) -> None:
    fit = kind_fitting.start(project)
    KindFit.objects.update(heartbeat_at=timezone.now())
    run_kind_fit(fit.pk)
    assert KindFit.objects.get().state == KindFit.State.QUEUED


def test_only_the_fit_that_holds_keeps_its_calls(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    fitted(project)
    fit = fitted(project, seed=2)
    assert set(KindMember.objects.values_list("fit", flat=True)) == {fit.pk}


def test_newcomers_join_their_kind(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    fitted(project)
    log.write(project.pk, [kinds.call(at, "translate") for at in range(50, 60)])
    assert kind_arrivals.join(project) == 10
    told = kind_report.report(project)
    assert {row.kind.terms[0]: row.n_arrived for row in told.rows if row.kind and row.n_arrived} == {"translate": 10}


def test_known_texts_are_not_embedded_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(project.pk, kinds.calls(30))
    fitted(project)
    log.write(project.pk, kinds.calls(9, since=50))
    monkeypatch.setattr(embeddings, "encode", lambda _: pytest.fail("was embedded again"))
    assert kind_arrivals.join(project) == 9


def test_who_joined_is_not_looked_at_twice(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    fitted(project)
    log.write(project.pk, kinds.calls(9, since=50))
    assert (kind_arrivals.join(project), kind_arrivals.join(project)) == (9, 0)


def test_strange_newcomers_ask_for_a_refit(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    fitted(project)
    log.write(project.pk, [kinds.call(at, f"Sing me song {'x' * at}") for at in range(100, 160)])
    kind_arrivals.join(project)
    told = kind_report.report(project)
    assert told.stranger_share == 1.0 and "unlike any kind" in told.why_anew


def test_newcomers_wait_where_the_day_is_spent(project: Project, settings: Settings) -> None:
    log.write(project.pk, kinds.calls(30))
    fitted(project)
    log.write(project.pk, kinds.calls(9, since=50))
    settings.EMBEDDINGS_PER_DAY = 3
    assert kind_arrivals.join(project) == 0
    settings.EMBEDDINGS_PER_DAY = 5_000
    assert kind_arrivals.join(project) == 9


def test_another_embedding_model_takes_no_newcomers(project: Project, settings: Settings) -> None:
    log.write(project.pk, kinds.calls(30))
    fitted(project)
    log.write(project.pk, kinds.calls(9, since=50))
    settings.EMBEDDING_MODEL = "another"
    assert kind_arrivals.join(project) == 0


def test_the_beat_tends_every_project_with_kinds(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    fitted(project)
    log.write(project.pk, kinds.calls(9, since=50))
    tend_kinds()
    assert KindMember.objects.filter(is_arrival=True).count() == 9


def test_deleted_calls_leave_their_kind(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    fit = fitted(project)
    gone = list(fit.members.values_list("event_id", flat=True)[:4])
    log_deleting.delete_events(project.pk, gone)
    assert kind_arrivals.forget_gone(project) == 0
    Cleaning.objects.create(project=project, cutoff_at=timezone.now(), n_events=4)
    assert kind_arrivals.forget_gone(project) == 4
    assert fit.members.count() == 26


def test_quality_by_event_reaches_its_kind(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    fit = fitted(project)
    judged = fit.members.filter(number=1).first()
    assert judged is not None
    told = kind_report.report(project, {judged.event_id: 0.5})
    assert [row.figures.quality for row in told.rows if row.kind and row.kind.number == 1] == [0.5]
