"""The embedding model is loaded at start, where a predictor will ask for it, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from django.conf import settings
from django.db import DatabaseError
from django.utils.module_loading import import_string

from netra import embeddings
from netra.errors import Unavailable
from projects.models import Project
from routing.gateway.warming import Warming
from routing.models import TrainedPredictor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that is embedded; the model itself has its own tests."""
    seen: list[str] = []

    def encode_soon(text: str) -> np.ndarray:
        seen.append(text)
        return np.zeros(2, dtype=np.float32)

    monkeypatch.setattr(embeddings, "encode_soon", encode_soon)
    return seen


def predictor(project: Project, **fields: object) -> TrainedPredictor:
    given = {"default_option": "proxy/foo", "n_pairs": 90, "sha256": "5e" * 32}
    return TrainedPredictor.objects.create(project=project, **given | fields)


def warm() -> None:
    warming = Warming()
    warming.start()
    warming._thread.join(30)
    warming.stop()
    assert not warming._thread.is_alive()


def test_a_predictor_has_the_model_loaded_at_start(project: Project, embedded: list[str]) -> None:
    predictor(project)
    warm()
    assert len(embedded) == 1


@pytest.mark.parametrize("fields", [{"sha256": ""}, {"is_current": False}])
def test_a_predictor_that_learnt_nothing_or_is_replaced_loads_nothing(
    project: Project, embedded: list[str], fields: dict[str, object]
) -> None:
    predictor(project, **fields)
    warm()
    assert embedded == []


def test_without_a_predictor_nothing_is_loaded(project: Project, embedded: list[str]) -> None:
    warm()
    assert embedded == []


@pytest.mark.parametrize("problem", [Unavailable("no weights"), DatabaseError("no table")])
def test_what_cannot_be_loaded_is_told_and_holds_up_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, problem: Exception
) -> None:
    def encode_soon(text: str) -> np.ndarray:
        raise problem

    predictor(project)
    monkeypatch.setattr(embeddings, "encode_soon", encode_soon)
    warm()
    assert str(problem) in caplog.text


def test_every_web_process_does_so() -> None:
    assert "routing.gateway.warming.Warming" in settings.NETRA_BESIDE_WEB
    assert import_string("routing.gateway.warming.Warming") is Warming
