"""Every call becomes an event in the log, once."""

from __future__ import annotations

import json

import pytest

from netra import clickhouse
from projects import log
from projects.models import Project
from projects.workloads import Purpose
from routing import execution, observation
from routing.calls import ModelCall, Outcome
from tests.factories import connection, supply_option
from tests.routing.scripted import CANARY, Step, error, provider, said

pytestmark = [pytest.mark.usefixtures("events"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def made_call(project: Project) -> ModelCall:
    supply_option("mine/foo", project=project, max_output_tokens=100)
    connection(project, "mine", provider="openai_compatible", base_url="http://127.0.0.1:9/v1", key=CANARY)
    request = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0}
    to = execution.target(project, "mine/foo")
    return ModelCall(
        project.pk, to, request, Purpose.JUDGE, "run-1/p-1", run_id="run-1", metadata={"lane": "candidate"}
    )


def ran(made: ModelCall, *script: Step) -> tuple[ModelCall, Outcome]:
    from asyncio import run
    from dataclasses import replace

    async def there() -> tuple[ModelCall, Outcome]:
        async with provider(*script) as server:
            where = replace(made.option.destination, base_url=server.base_url)
            call = replace(made, option=replace(made.option, destination=where, limits_key=server.base_url))
            return call, await execution.run(call)

    return run(there())


def test_a_call_is_written_with_its_purpose_price_and_run(project: Project, made_call: ModelCall) -> None:
    call, outcome = ran(made_call, said("four"))
    event_id = observation.record(project.pk, call, outcome)
    assert event_id is not None
    event = log.event(project.pk, event_id)
    assert (event["purpose"], event["run_id"], event["source"]) == ("judge", "run-1", "netra")
    assert (event["provider"], event["requested_model"], event["served_model"]) == ("mine", "foo", "foo-2026-01-01")
    assert event["cost_recorded_usd"] == event["cost_usd"] == outcome.cost_usd
    assert event["price_source"].startswith("mine/foo")
    assert (event["tok_input_fresh"], event["tok_output_visible"]) == (12, 3)
    assert event["outcome"] == "ok" and event["http_status"] == 200


def test_recording_twice_adds_nothing(project: Project, made_call: ModelCall) -> None:
    call, outcome = ran(made_call, said())
    first = observation.record(project.pk, call, outcome)
    assert observation.record(project.pk, call, outcome) == first
    assert clickhouse.scalar("SELECT count() FROM workload_events") == 1


def test_a_failed_call_is_an_event_too(project: Project, made_call: ModelCall) -> None:
    call, outcome = ran(made_call, Step(hang_up=True), error(400, f"what is {CANARY}"))
    event_id = observation.record(project.pk, call, outcome)
    assert event_id is not None
    event = log.event(project.pk, event_id)
    assert (event["outcome"], event["error_type"], event["http_status"]) == ("provider_error", "request_refused", 400)
    told = event["metadata"] if isinstance(event["metadata"], dict) else json.loads(event["metadata"])
    assert [attempt["paid"] for attempt in told["attempts"]] == [None, False]
    assert told["charged_at_most_usd"] != "0" and told["lane"] == "candidate"
    assert "retried" in event["flags"] and event["cost_usd"] is None


def test_a_call_that_was_never_sent_did_not_happen(project: Project, made_call: ModelCall) -> None:
    call, sent = ran(made_call, said())
    from asyncio import run

    refused = run(execution.run(call, lambda _number, _worst: False))
    ids = observation.record_many(project.pk, [(call, refused), (call, sent), (call, refused)])
    assert [each is None for each in ids] == [True, False, True]
    assert clickhouse.scalar("SELECT count() FROM workload_events") == 1
    assert observation.record(project.pk, call, refused) is None


def test_no_key_reaches_the_log(project: Project, made_call: ModelCall) -> None:
    for script in ((said(),), (error(401, CANARY),)):
        call, outcome = ran(made_call, *script)
        observation.record(project.pk, call, outcome)
    rows = clickhouse.rows("SELECT * FROM workload_events")
    assert rows and CANARY not in repr(rows)
