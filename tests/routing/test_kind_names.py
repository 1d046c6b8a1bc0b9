"""Names of kinds of work from a model: asked once, logged, and never needed."""

from __future__ import annotations

import json

import pytest
from pytest_django import Settings

from netra import embeddings
from projects import kind_fitting, log
from projects.models import Project, WorkKind
from routing import kind_names
from tests import factories
from tests.projects import kinds
from tests.routing.scripted import Provider, Step, error, said, served

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("events")]
OPTION = "proxy/namer"


@pytest.fixture
def named(settings: Settings) -> None:
    settings.KIND_NAMING_OPTION = OPTION


def asked(project: Project, *script: Step, n: int = 2) -> tuple[list[str | None], Provider]:
    with served(*script) as upstream:
        connect(project, upstream)
        return kind_names.suggest(project.pk, [f"refund, card {at}" for at in range(n)], key="k"), upstream


def connect(project: Project, upstream: Provider) -> None:
    factories.supply_option(OPTION)
    factories.connection(project, "proxy", provider="openai_compatible", base_url=upstream.base_url)


def test_names_are_taken_from_the_model_s_object(project: Project, named: None) -> None:
    names, upstream = asked(project, said('Sure: {"1": "Refund a card", "2": "Pay\\u0000 back"}'))
    assert names == ["Refund a card", "Pay back"]
    assert "1: refund, card 0" in upstream.asked[0]["messages"][1]["content"]


def test_the_call_is_logged_as_what_it_is(project: Project, named: None) -> None:
    asked(project, said("{}"))
    [row] = log.events(project.pk, log.EventFilter(purpose="advisor")).rows
    assert row["kind"] == "kind names" and row["cost_usd"] is not None


@pytest.mark.parametrize(
    "answer", ["", "no", "[]", "{", '{"1": 5}', '{"1": ""}', '{"1": "' + "x" * 61 + '"}', "[{}]", '{"7": "x"}']
)
def test_what_is_no_name_leaves_terms(project: Project, named: None, answer: str) -> None:
    assert asked(project, said(answer))[0] == [None, None]


def test_a_provider_in_trouble_leaves_terms(project: Project, named: None) -> None:
    assert asked(project, error(400))[0] == [None, None]


def test_without_a_model_or_a_connection_nothing_is_asked(project: Project, settings: Settings) -> None:
    assert kind_names.suggest(project.pk, ["refund"], key="k") == [None]
    settings.KIND_NAMING_OPTION = "nobody/knows"
    assert kind_names.suggest(project.pk, ["refund"], key="k") == [None]


@pytest.fixture
def as_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "encode", kinds.directions)


def test_a_fit_takes_the_names_and_says_who_gave_them(project: Project, named: None, as_directions: None) -> None:
    log.write(project.pk, kinds.calls(60))
    with served(said(json.dumps({"1": "Money back", "2": "Money back"}))) as upstream:
        connect(project, upstream)
        fit = kind_fitting.run(kind_fitting.start(project, seed=1))
    told = {kind.number: (kind.name, kind.named_by) for kind in fit.kinds.all()}
    assert (told[1], told[2]) == (("Money back", "model"), ("Money back (2)", "model"))
    assert told[3][1] == WorkKind.NamedBy.TERMS
    assert "[number]" in upstream.asked[0]["messages"][1]["content"]
