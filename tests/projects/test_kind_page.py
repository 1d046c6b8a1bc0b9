"""Kinds of work on pages, by the API and by command; who may see them, and hostile prompts among them."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from netra import embeddings
from projects import kind_fitting, log
from projects.models import AuditEntry, KindFit, KindMember, Project
from tests import factories
from tests.projects import kinds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
PAGE, API = "/projects/agent/kinds/", "/api/v1/analytics/agent/kinds"


@pytest.fixture(autouse=True)
def as_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "encode", kinds.directions)


@pytest.fixture
def fit(project: Project) -> KindFit:
    log.write(project.pk, kinds.calls(30))
    return kind_fitting.run(kind_fitting.start(project, seed=1))


def read(client: Client, path: str = PAGE) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_the_page_lists_kinds_with_size_and_share(as_viewer: Client, fit: KindFit) -> None:
    page = read(as_viewer)
    assert "refund" in page and "translate" in page
    assert "What a response cache would have answered" in page and "What could wait for a batch" in page


def test_the_cost_of_finding_them_is_shown(as_viewer: Client, fit: KindFit) -> None:
    assert "What finding them takes" in read(as_viewer)
    assert f"{fit.n_embedded} texts" in read(as_viewer)


def test_unknown_batch_prices_are_said_to_be_unknown(as_viewer: Client, fit: KindFit) -> None:
    assert "No batch price is known" in read(as_viewer)


def test_batch_prices_give_a_saving(as_viewer: Client, project: Project) -> None:
    price = {"input": "0.02", "output": "0.08", "services": {"batch": {"input": "0.01", "output": "0.04"}}}
    factories.supply_option("openai/gpt-4o-mini", price=price)
    log.write(project.pk, kinds.calls(30))
    kind_fitting.run(kind_fitting.start(project))
    assert "that saves <strong>$42.00</strong>" in read(as_viewer)


def test_a_kind_s_page_links_its_examples(as_viewer: Client, fit: KindFit) -> None:
    page = read(as_viewer, f"{PAGE}1/")
    members = KindMember.objects.filter(fit=fit, number=1)
    assert any(f"/projects/agent/logs/{each.event_id}/" in page for each in members)
    assert "<mark>number</mark>" in page


def test_an_unknown_kind_is_404(as_viewer: Client, fit: KindFit) -> None:
    assert as_viewer.get(f"{PAGE}99/").status_code == 404
    assert as_viewer.get(f"{API}/99").status_code == 404


def test_before_the_first_fit_the_page_offers_it(as_viewer: Client, project: Project) -> None:
    assert "No kinds of work yet" in read(as_viewer)


def test_a_fit_under_way_shows_how_far_it_is(as_viewer: Client, project: Project) -> None:
    made = kind_fitting.start(project)
    KindFit.objects.filter(pk=made.pk).update(state="running", step="Embedding prompts", n_done=5, n_total=20)
    page = read(as_viewer)
    assert "5 of 20 different texts embedded" in page and 'hx-trigger="every 2s"' in page


def test_why_a_fit_failed_is_said(as_viewer: Client, project: Project) -> None:
    kind_fitting.run(kind_fitting.start(project))
    assert "The log of this project is empty" in read(as_viewer)


def test_privacy_mode_is_explained_and_repeats_are_still_shown(as_viewer: Client, project: Project) -> None:
    hashed = {"request": factories.chat_request(f"hash:{'0a' * 12}:90"), "flags": frozenset({"private"})}
    log.write(project.pk, [kinds.call(at, "refund", **hashed) for at in range(8)])
    kind_fitting.run(kind_fitting.start(project))
    page = read(as_viewer)
    assert "Privacy mode keeps hashes of 8 prompts" in page and "the same prompt came before" in page


def test_the_button_fits_and_notes_who_pressed_it(
    as_member: Client, project: Project, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr("projects.views.kinds.run_kind_fit.delay_on_commit", sent.append)
    assert as_member.post(f"{PAGE}fit").status_code == 302
    assert sent == [KindFit.objects.get().pk]
    assert AuditEntry.objects.get().actor_label == "member@example.com"


def test_a_fit_can_be_cancelled(as_member: Client, project: Project) -> None:
    made = kind_fitting.start(project)
    as_member.post(f"{PAGE}fits/{made.pk}/cancel")
    assert KindFit.objects.get().state == KindFit.State.CANCELLED


def test_a_kind_can_be_named(as_member: Client, fit: KindFit) -> None:
    as_member.post(f"{PAGE}1/rename", {"name": "Money back"})
    assert "Money back" in read(as_member)


@pytest.mark.parametrize("name", ["", " \x00 ", "x" * 81])
def test_what_is_no_name_is_refused_with_a_sentence(as_member: Client, fit: KindFit, name: str) -> None:
    before = fit.kinds.get(number=1).name
    page = as_member.post(f"{PAGE}1/rename", {"name": name}, follow=True).content.decode()
    assert "between 1 and 80 characters" in page
    assert fit.kinds.get(number=1).name == before


def test_two_kinds_cannot_have_one_name(project: Project, fit: KindFit) -> None:
    taken = fit.kinds.get(number=2).name
    answer = factories.api_client(project).patch(f"{API}/1", {"name": taken}, content_type="application/json")
    assert answer.status_code == 400 and answer.json()["field"] == "name"


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}1/", API, f"{API}/1"])
def test_strangers_see_nothing(as_stranger: Client, fit: KindFit, path: str) -> None:
    assert as_stranger.get(path).status_code == 404


@pytest.mark.parametrize("path", [f"{PAGE}fit", f"{PAGE}1/rename", f"{PAGE}fits/1/cancel"])
def test_strangers_start_and_change_nothing(as_stranger: Client, fit: KindFit, path: str) -> None:
    assert as_stranger.post(path, {"name": "mine"}).status_code == 404
    assert KindFit.objects.count() == 1 and not fit.kinds.filter(name="mine").exists()


@pytest.mark.parametrize("path", [f"{PAGE}fit", f"{PAGE}1/rename"])
def test_viewers_may_look_and_not_change(as_viewer: Client, fit: KindFit, path: str) -> None:
    assert as_viewer.post(path, {"name": "mine"}).status_code == 403


def test_another_project_s_key_and_nobody_are_kept_out(client: Client, fit: KindFit) -> None:
    other = factories.api_client(factories.project("other"))
    assert other.get(API).status_code == 404
    assert other.get(f"{API}/fits/{fit.pk}").status_code == 404
    assert client.get(API).status_code == 401 and client.get(PAGE).status_code == 302


def test_a_fit_of_another_project_is_not_there(project: Project, fit: KindFit) -> None:
    theirs = kind_fitting.start(factories.project("other"))
    api = factories.api_client(project)
    assert api.get(f"{API}/fits/{theirs.pk}").status_code == 404
    assert api.post(f"{API}/fits/{theirs.pk}/cancel").status_code == 404


def test_hostile_prompts_are_only_text(as_viewer: Client, project: Project) -> None:
    attack = "</code><script>alert(1)</script><img src=x onerror=alert(2)>\x00\x1b[31m\u202e refund {n} ⟨number⟩"
    log.write(project.pk, [kinds.call(at, attack.format(n=at)) for at in range(20)])
    kind_fitting.run(kind_fitting.start(project))
    for page in (read(as_viewer), read(as_viewer, f"{PAGE}1/")):
        assert "<script>alert" not in page and "<img src=x" not in page and "\u202e" not in page


def test_personal_data_is_not_in_names_templates_or_examples(project: Project) -> None:
    text = "Refund {n} to anna@example.com with key sk-abcdefghijklmnop0123 now please."
    log.write(project.pk, [kinds.call(at, text.format(n=at)) for at in range(20)])
    kind_fitting.run(kind_fitting.start(project))
    told = factories.api_client(project).get(f"{API}/1").content.decode()
    assert "Refund" in told and "anna@" not in told and "sk-abc" not in told


def test_the_api_tells_kinds_money_and_cost(project: Project, fit: KindFit) -> None:
    told = factories.api_client(project).get(API).json()
    assert [kind["n_calls"] for kind in told["kinds"]] == [10, 10, 10]
    assert told["kinds"][0]["cost_usd"] is None
    assert told["embeddings"][0]["n_prompts"] == fit.n_embedded == told["fit"]["n_embedded"]


def test_the_api_starts_a_fit_with_a_seed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projects.kind_api.run_kind_fit.delay_on_commit", lambda _: None)
    api = factories.api_client(project)
    answer = api.post(f"{API}/fits", {"seed": 7}, content_type="application/json")
    assert (answer.status_code, answer.json()["seed"], answer.json()["state"]) == (202, 7, "queued")
    assert api.get(f"{API}/fits/{answer.json()['id']}").json()["share_done"] is None


@pytest.mark.parametrize(("seed", "status"), [(-1, 400), ("x", 422)])
def test_the_api_refuses_what_is_no_seed(project: Project, seed: Any, status: int) -> None:
    answer = factories.api_client(project).post(f"{API}/fits", {"seed": seed}, content_type="application/json")
    assert answer.status_code == status and "seed" in answer.json()["field"]


def test_the_api_gives_examples_of_a_kind(project: Project, fit: KindFit) -> None:
    told = factories.api_client(project).get(f"{API}/1").json()
    assert told["kind"]["number"] == 1 and len(told["typical"]) == 8 and len(told["fringe"]) == 2


def test_the_command_prints_kinds(project: Project) -> None:
    log.write(project.pk, kinds.calls(30))
    printed = _printed("agent", "--seed", "1")
    assert "3 kinds of work from 30 of 30 calls" in printed and "translate" in printed
    assert "cost unknown" in printed


def test_the_command_says_what_it_cannot_do(project: Project) -> None:
    with pytest.raises(CommandError, match="no project"):
        _printed("nothing")
    with pytest.raises(CommandError, match="is empty"):
        _printed("agent")
    with pytest.raises(CommandError, match="A seed is"):
        _printed("agent", "--seed", "-1")


def _printed(*arguments: str) -> str:
    out = StringIO()
    call_command("fit_kinds", *arguments, stdout=out)
    return out.getvalue()
