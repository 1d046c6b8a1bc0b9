"""A predictor as bytes and back: numbers and JSON, nothing that is executed when it is read. Pure."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from routing.features import NAMES
from routing.forest import Forest
from routing.learning import Learnt, Part
from routing.neighbours import Sight
from routing.regression import Kernel, Process, Scale

FORMAT = "netra-predictor/3"
MAX_BYTES = 200_000_000
_ARRAYS = ("anchors", "mean", "weights", "known")
_SIGHT = ("axes", "seen", "outcomes")
_TREES = ("roots", "columns", "limits", "below", "above", "values")


class Unreadable(Exception):
    """These bytes are no predictor; the sentence says why."""


def packed(learnt: Learnt) -> bytes:
    """The same predictor gives the same bytes. Half of double precision: about 10 MB for 1,200 anchors."""
    arrays: dict[str, npt.NDArray[Any]] = {"centre": learnt.scale.centre, "width": learnt.scale.width}
    for place, part in enumerate(learnt.parts):
        arrays |= {f"{name}_{place}": getattr(part.process, name) for name in _ARRAYS} | {f"noise_{place}": part.noise}
        arrays |= {f"{name}_{place}": getattr(part.forest.sight, name) for name in _SIGHT}
        arrays |= {f"{name}_{place}": getattr(part.forest, name) for name in _TREES} | {f"skill_{place}": part.skill}
    head = {"format": FORMAT, "default": learnt.default, "features": NAMES, "parts": [_told(p) for p in learnt.parts]}
    arrays["head"] = np.frombuffer(json.dumps(head, sort_keys=True).encode(), dtype=np.uint8)
    return _zipped({name: _single(array) for name, array in arrays.items()})


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def unpacked(content: bytes, sha256: str) -> Learnt:
    """Raises Unreadable for what was changed, cut off, or made by another version."""
    if digest(content) != sha256:
        raise Unreadable("The predictor's checksum differs: it was changed or cut off.")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            head = json.loads(arrays["head"].tobytes())
            if head["format"] != FORMAT or head["features"] != list(NAMES):
                raise Unreadable("The predictor was made by another version of Netra; train it again.")
            parts = tuple(_part(told, place, arrays) for place, told in enumerate(head["parts"]))
            return Learnt(head["default"], Scale(_double(arrays["centre"]), _double(arrays["width"])), parts, sha256)
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as problem:
        raise Unreadable("The predictor cannot be read; train it again.") from problem


def _told(part: Part) -> dict[str, Any]:
    told = {"options": part.options, "caution": part.caution, "familiar": part.familiar, "n": part.n}
    return told | {
        "kernel": asdict(part.process.kernel),
        "share": part.share,
        "reach": part.reach,
        "depth": part.forest.depth,
    }


def _part(told: dict[str, Any], place: int, arrays: Any) -> Part:
    return Part(
        options=tuple(told["options"]),
        process=Process(Kernel(**told["kernel"]), *(_double(arrays[f"{name}_{place}"]) for name in _ARRAYS)),
        forest=_forest(told, place, arrays),
        share=told["share"],
        reach=told["reach"],
        noise=_double(arrays[f"noise_{place}"]),
        skill=_double(arrays[f"skill_{place}"]),
        caution=told["caution"],
        familiar=told["familiar"],
        n=told["n"],
    )


def _forest(told: dict[str, Any], place: int, arrays: Any) -> Forest:
    sight = Sight(**{name: arrays[f"{name}_{place}"] for name in _SIGHT})
    return Forest(sight, **{name: arrays[f"{name}_{place}"] for name in _TREES}, depth=told["depth"])


def _single(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _double(array: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(array, dtype=np.float64)


def _zipped(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """As numpy's own archive, but without the time of day in it."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in sorted(arrays.items()):
            file = io.BytesIO()
            np.lib.format.write_array(file, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), file.getvalue())
    return whole.getvalue()
