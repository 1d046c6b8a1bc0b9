"""Commands of the ground: what answers is said without addresses, and `up` stops what it starts, in order."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.conf import settings as project_settings
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from netra import clickhouse, embeddings, health
from netra.celery import app
from netra.errors import Unavailable
from netra.management.commands import simulated_provider, up
from netra.simulation.provider import SimulatedProvider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("events")]


def told(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


# check_services


def test_every_store_is_named_with_its_kind_and_state() -> None:
    lines = {line.split()[0]: line for line in told("check_services").splitlines()}
    assert set(lines) == set(health.PROBES)
    assert all(line.endswith(" ok") for line in lines.values())
    assert "embeddings" not in lines


def test_a_store_that_is_down_fails_the_command_after_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.PROBES, "events", lambda: clickhouse.rows("SELECT broken FROM nowhere"))
    out = io.StringIO()
    with pytest.raises(CommandError, match="Not everything answers"):
        call_command("check_services", stdout=out)
    states = {line.split()[0]: line.endswith(" ok") for line in out.getvalue().splitlines()}
    assert states == {"database": True, "events": False, "cache": True}


def test_addresses_are_not_told_since_they_hold_passwords(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clickhouse, "is_embedded", lambda: False)
    settings.REDIS_URL = "redis://:hunter2@host.internal"
    out = told("check_services")
    assert "ClickHouse server" in out and "Redis" in out
    assert "hunter2" not in out and "host.internal" not in out


def test_the_embedding_model_is_tried_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(embeddings, "encode", lambda texts: np.ones((len(texts), 3), dtype=np.float32))
    assert "embeddings" in told("check_services", "--embeddings")


def test_a_model_that_does_not_load_is_one_line_among_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise Unavailable("The embedding model 'x' does not load.")

    monkeypatch.setattr(embeddings, "encode", broken)
    out = io.StringIO()
    with pytest.raises(CommandError, match="Not everything answers"):
        call_command("check_services", "--embeddings", stdout=out)
    assert "does not load" in out.getvalue() and "database" in out.getvalue()


# What is examined.


@pytest.mark.parametrize(
    ("problem", "state"),
    [
        (ConnectionError("refused\nby host"), "ConnectionError: refused"),
        (ValueError(), "ValueError: "),
        (OSError("x" * 900), "OSError: " + "x" * 160),
    ],
)
def test_trouble_is_told_in_one_short_line(monkeypatch: pytest.MonkeyPatch, problem: Exception, state: str) -> None:
    def probe() -> None:
        raise problem

    monkeypatch.setattr(health, "PROBES", {"store": probe})
    assert health.examine() == {"store": state}


def test_one_store_s_trouble_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBES", {"a": lambda: 1 / 0, "b": lambda: None})
    assert health.examine()["b"] == "ok" and health.examine()["a"].startswith("ZeroDivisionError")


# Tasks by name.


@pytest.mark.parametrize(
    "name",
    sorted(
        {*project_settings.NETRA_ON_START, *(each["task"] for each in project_settings.CELERY_BEAT_SCHEDULE.values())}
    ),
)
def test_every_task_that_is_sent_by_name_exists(name: str) -> None:
    app.loader.import_default_modules()
    assert name in app.tasks


def test_a_task_cut_off_is_given_to_another_worker() -> None:
    assert app.conf.task_acks_late is True and app.conf.task_ignore_result is True


# up


class Stage:
    """Stands for worker, server and stores of `up`, and writes down in which order they are used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_idle: bool = True) -> None:
        self.happened: list[str] = []
        stage = self

        class Worker:
            def start(self) -> None:
                stage.happened.append("worker starts")

            def stop(self) -> bool:
                stage.happened.append("worker stops")
                return is_idle

        def noted(kind: str) -> Any:
            return lambda first="", *_, **__: stage.happened.append(f"{kind} {first}".strip())

        monkeypatch.setattr(up.settings, "REDIS_URL", "")  # wherever the suite runs, `up` is for one process
        monkeypatch.setattr(up, "EmbeddedWorker", Worker)
        monkeypatch.setattr(up, "call_command", noted("command"))
        monkeypatch.setattr(up.app, "send_task", noted("task"))
        monkeypatch.setattr(up.clickhouse, "close", noted("events close"))
        monkeypatch.setattr(up.os, "_exit", noted("exit"))
        monkeypatch.setattr(up.Command, "_serve", lambda *_: stage.happened.append("serving"))


PREPARED = ["command migrate", "command migrate_log", "command sync_catalog", "command collectstatic"]
TASKS = [f"task {name}" for name in project_settings.NETRA_ON_START]


def test_stores_stand_before_the_worker_and_the_worker_before_the_first_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch)
    told("up")
    ended = ["serving", "worker stops", "events close"]
    assert stage.happened == [*PREPARED, "worker starts", *TASKS, *ended]


def test_the_demo_is_prepared_with_the_stores_and_queued_with_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    told("up", "--demo")
    assert stage.happened.count("command demo") == 2
    assert stage.happened.index("command demo") == len(PREPARED)
    assert stage.happened.index("serving") > len(stage.happened) - 4


def test_whatever_ends_the_server_the_worker_is_stopped_and_the_store_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)

    def broken(*_: Any) -> None:
        raise OSError("the port is taken")

    monkeypatch.setattr(up.Command, "_serve", broken)
    with pytest.raises(OSError, match="port is taken"):
        told("up")
    assert stage.happened[-2:] == ["worker stops", "events close"]


def test_a_worker_that_does_not_come_to_rest_does_not_hold_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, is_idle=False)
    told("up")
    assert stage.happened[-1] == "exit 0"


def test_with_workers_apart_up_says_what_to_run_instead(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    settings.REDIS_URL = "redis://:hunter2@host"
    with pytest.raises(CommandError, match="celery -A netra worker") as refused:
        told("up")
    assert stage.happened == [] and "hunter2" not in str(refused.value)


def test_it_listens_on_this_machine_alone_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Stage(monkeypatch)
    asked: list[Any] = []
    monkeypatch.setattr(up.Command, "_serve", lambda _, host, port: asked.append((host, port)))
    told("up")
    told("up", "--host", "0.0.0.0", "--port", "9000")
    assert asked == [("127.0.0.1", 8000), ("0.0.0.0", 9000)]


# simulated_provider


def test_the_simulated_provider_is_served_to_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn

    served: list[Any] = []
    monkeypatch.setattr(uvicorn, "run", lambda provider, **options: served.append((provider, options)))
    out = told("simulated_provider", "--port", "8199", "--time-scale", "0.5")
    [(provider, options)] = served
    assert isinstance(provider, SimulatedProvider) and provider.time_scale == 0.5
    assert (options["host"], options["port"], options["lifespan"]) == ("127.0.0.1", 8199, "off")
    assert "http://127.0.0.1:8199/v1" in out


def test_each_command_says_what_it_is_for() -> None:
    assert all(len(command.Command.help or "") > 30 for command in (up, simulated_provider))
