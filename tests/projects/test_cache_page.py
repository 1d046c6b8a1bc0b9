"""The prompt cache by page, API and command: the defect is named, strangers see nothing, hostile text stays text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from netra.tokens import Tokens
from projects import cache_report, cache_sample, log
from projects.cache_report import Question
from projects.cache_reuse import blocks
from projects.cache_reuse.prompts import Call, Segment
from projects.models import Project
from projects.workloads import Outcome, WorkloadEvent
from tests import factories
from tests.projects.prompts import INSTRUCTIONS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]
PAGE, API = "/projects/agent/cache/", "/api/v1/analytics/agent/cache"


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


@pytest.fixture
def priced() -> None:
    price = {"input": "0.000002", "output": "0.000008", "cache_read": "0.000001"}
    factories.supply_option("openai/gpt-4o-mini", price=price)


def _event(at: int, system: str, **fields: Any) -> WorkloadEvent:
    text = f"Question {at}?"
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    given: dict[str, Any] = {
        "request": {"model": "gpt-4o-mini", "messages": messages},
        "started_at": factories.NOON + timedelta(seconds=30 * at),
        "served_model": "gpt-4o-mini",
        "tokens": Tokens(input_fresh=(len(system) + len(text)) // 4, cache_read=0, output_visible=9),
        "session_id": f"s-{at // 3}",
    }
    return factories.event(f"r-{at}", **given | fields)


def _stamped(project: Project, n: int = 30) -> None:
    stamps = (f"Time: 2026-11-02T12:{at % 60:02}:07Z\n" for at in range(n))
    log.write(project.pk, [_event(at, stamp + INSTRUCTIONS) for at, stamp in enumerate(stamps)])


def _told(client: Client, query: str = "") -> dict[str, Any]:
    answer = client.get(API + query)
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def test_the_planted_timestamp_is_on_the_page(as_viewer: Client, project: Project, priced: None) -> None:
    _stamped(project)
    page = as_viewer.get(PAGE).content.decode()
    assert "Move the timestamp from the system prompt to the end of the prompt" in page
    assert "Time: <mark>timestamp</mark>" in page
    assert "saves $0.0" in page


def test_the_api_tells_the_same_with_its_saving(project: Project, priced: None) -> None:
    _stamped(project)
    told = _told(factories.api_client(project))
    [advice] = [each for each in told["advice"] if each["code"] == "move_to_end"]
    assert float(advice["saved_usd"]) == pytest.approx(advice["tokens"] * 1e-6)
    assert (advice["slots"][0]["kind"], advice["slots"][0]["at_char"]) == ("timestamp", 6)
    assert told["sample"]["is_whole"] is True


def test_without_prices_money_is_unknown(project: Project) -> None:
    _stamped(project)
    told = _told(factories.api_client(project))
    assert told["bill"]["saved_usd"] is None
    assert all(each["saved_usd"] is None for each in told["advice"])


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}charts/size", API])
def test_strangers_do_not_see_it(as_stranger: Client, project: Project, path: str) -> None:
    _stamped(project, 3)
    assert as_stranger.get(path).status_code == 404


def test_another_project_s_key_does_not_open_it(project: Project) -> None:
    other = factories.api_client(factories.project("other"))
    assert other.get(API).status_code == 404


def test_nobody_is_asked_to_log_in(client: Client, project: Project) -> None:
    assert client.get(PAGE).status_code == 302
    assert client.get(API).status_code == 401


def test_another_project_s_calls_are_not_counted(as_viewer: Client, project: Project) -> None:
    _stamped(factories.project("other"), 5)
    assert "No prompts to look at" in as_viewer.get(PAGE).content.decode()


def test_an_empty_project_says_what_to_do(as_viewer: Client, project: Project) -> None:
    page = as_viewer.get(PAGE).content.decode()
    assert "No prompts to look at" in page
    assert "Import a log" in page


def test_calls_without_prompts_are_counted_and_left_out(as_viewer: Client, project: Project) -> None:
    log.write(project.pk, [factories.event("r", request=None)])
    assert "The 1 calls of this window were logged without their prompts" in as_viewer.get(PAGE).content.decode()


@pytest.mark.parametrize("left_out", [{"outcome": Outcome.CACHED}, {"outcome": Outcome.PROVIDER_ERROR}])
def test_what_no_model_read_is_left_out(project: Project, left_out: dict[str, Any]) -> None:
    log.write(project.pk, [_event(0, INSTRUCTIONS), _event(1, INSTRUCTIONS, **left_out)])
    sample = cache_sample.choose(project.pk)
    assert (len(sample.rows), sample.n_left_out) == (1, 1)


def test_hostile_prompts_are_only_text(as_viewer: Client, project: Project) -> None:
    attack = "</code><script>alert(1)</script><img src=x onerror=alert(2)>\x00\x1b[31m"
    events = [_event(at, f"{attack} {at * 7} {attack}\n{attack * 40}", session_id=attack) for at in range(6)]
    log.write(project.pk, events)
    page = as_viewer.get(f"{PAGE}?block_tokens=1&session=").content.decode()
    assert "<script>alert" not in page and "<img src=x" not in page
    assert "&lt;script&gt;" in page


def test_personal_data_and_keys_near_a_place_are_masked(project: Project) -> None:
    near = "Mail anna@example.com with sk-abcdefghijklmnop0123. Time:"
    log.write(project.pk, [_event(at, f"{near} 12:{at:02}:07.\n{INSTRUCTIONS}") for at in range(10)])
    told = cache_report.report(project, Question()).found
    assert "anna@" not in repr((told.advice, told.tree))
    assert "sk-abc" not in repr((told.advice, told.tree))
    assert "[email]" in told.advice[0].slots[0].before


def test_names_of_people_are_not_given_as_examples(project: Project, priced: None) -> None:
    names = ("Anna Smith", "Bob Jones", "Carla Diaz")
    log.write(project.pk, [_event(at, f"You assist {names[at % 3]}.\n{INSTRUCTIONS}") for at in range(30)])
    told = _told(factories.api_client(project), "?minimum_tokens=0")
    assert "Anna" not in str(told["advice"])


def test_privacy_mode_counts_whole_messages_and_says_so(as_viewer: Client, project: Project) -> None:
    hashed = f"hash:{'0a' * 12}:9000"
    private = {"flags": frozenset({"private"}), "tokens": Tokens(input_fresh=2_300, cache_read=0, output_visible=9)}
    log.write(project.pk, [_event(at, hashed, **private) for at in range(5)])
    assert "Privacy mode keeps hashes" in as_viewer.get(PAGE).content.decode()
    assert (cache_report.report(project, Question()).found.unlimited or 0) > 0.7


def test_a_sample_is_the_newest_calls_and_says_of_how_many(project: Project, priced: None) -> None:
    _stamped(project, 30)
    told = _told(factories.api_client(project), "?calls=10")
    sample = told["sample"]
    assert (sample["n_calls"], sample["n_in_window"], sample["is_whole"]) == (10, 30, False)
    assert sample["sampled_from"].startswith("2026-11-02T12:10:00")


def test_money_is_carried_over_to_the_window(project: Project, priced: None) -> None:
    _stamped(project, 30)
    told = cache_report.report(project, Question(max_calls=10))
    [(advice, in_window), *_] = told.advice()
    assert advice.saved_usd is not None
    assert in_window == advice.saved_usd * 3


def test_a_sample_ends_where_its_bytes_do(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    _stamped(project, 5)
    monkeypatch.setattr(cache_sample, "MAX_BYTES", 3 * (len(INSTRUCTIONS) + 400))
    assert len(cache_sample.choose(project.pk).rows) == 3


def test_a_session_can_be_looked_at_alone(project: Project) -> None:
    _stamped(project, 9)
    assert _told(factories.api_client(project), "?session_id=s-1")["sample"]["n_calls"] == 3


def test_the_same_calls_are_not_reckoned_twice(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    _stamped(project, 4)
    first = cache_report.report(project, Question())
    monkeypatch.setattr(cache_sample, "calls", lambda *_: pytest.fail("was read again"))
    assert cache_report.report(project, Question()) == first


def test_a_new_call_or_price_is_reckoned_anew(project: Project, priced: None) -> None:
    _stamped(project, 4)
    paid = cache_report.report(project, Question()).found.bill.paid_usd
    log.write(project.pk, [_event(99, INSTRUCTIONS)])
    assert cache_report.report(project, Question()).found.bill.paid_usd != paid


@pytest.mark.parametrize("name", ["size", "lifetime"])
def test_charts_are_drawn_with_what_was_asked(as_viewer: Client, project: Project, name: str) -> None:
    log.write(project.pk, [_event(at, INSTRUCTIONS) for at in range(4)])
    answer = as_viewer.get(f"{PAGE}charts/{name}?block_tokens=64&scheme=dark")
    assert answer.status_code == 200
    assert "without limit" in answer.content.decode()


def test_an_unknown_chart_is_404(as_viewer: Client, project: Project) -> None:
    assert as_viewer.get(f"{PAGE}charts/nonsense").status_code == 404


@pytest.mark.parametrize("query", ["?days=x", "?block_tokens=-1", "?servers=1e9", "?shape=gpt", "?session=%00"])
def test_spoilt_questions_get_an_answer(as_viewer: Client, project: Project, query: str) -> None:
    assert as_viewer.get(PAGE + query).status_code == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [("?days=0", 400), ("?calls=1000000", 400), ("?block_tokens=0", 400), ("?shape=gpt", 400), ("?days=x", 422)],
)
def test_the_api_refuses_with_a_sentence(project: Project, query: str, status: int) -> None:
    answer = factories.api_client(project).get(API + query)
    assert answer.status_code == status
    assert answer.json()["field"] in query


@pytest.mark.parametrize("until", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-02T12:01:00"])
def test_far_and_zoneless_ends_are_times(project: Project, until: str) -> None:
    _stamped(project, 5)
    assert _told(factories.api_client(project), f"?until={until}")["sample"]["n_calls"] in (0, 2, 5)


def test_the_command_prints_rates_and_advice(project: Project, priced: None) -> None:
    _stamped(project)
    printed = _printed("agent", "--shape", "llama-3-8b")
    assert "without limit" in printed and "GB" in printed
    assert "timestamp, character 6, 30 values" in printed


def test_the_command_says_what_it_cannot_do(project: Project) -> None:
    assert "import a log" in _printed("agent")
    with pytest.raises(CommandError, match="no project"):
        _printed("nothing")
    with pytest.raises(CommandError, match="between 1 and"):
        _printed("agent", "--days", "0")


def _printed(*arguments: str) -> str:
    out = StringIO()
    call_command("cache_report", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("n", [1, 4, 5, 6])
def test_the_newest_are_chosen_though_many_came_at_once(project: Project, n: int) -> None:
    """Equal times are told apart by id, and only requests of these times are opened for their length."""
    at_once = factories.NOON + timedelta(hours=1)
    later = [_event(at, "be brief", started_at=at_once) for at in range(10, 16)]
    log.write(project.pk, [*(_event(at, "be brief") for at in range(4)), *later])
    every = [row["event_id"] for row in cache_sample.choose(project.pk).rows]
    assert [row["event_id"] for row in cache_sample.choose(project.pk, max_calls=n).rows] == every[-n:]


def test_a_prompt_is_cut_into_blocks_once_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call("e", 0.0, "m", (Segment("user", "a" * 100),))
    asked: list[int] = []
    real = blocks.of_text
    monkeypatch.setattr(
        blocks, "of_text", lambda text, size, root="": asked.append(size) or real(text, size, root=root)
    )
    first = [call.block_ids(size) for size in (16, 32, 16)]
    assert asked == [16, 32] and first[0] is first[2]
    changed = replace(call, segments=(Segment("user", "b" * 100),))
    assert changed.block_ids(16) != call.block_ids(16)
