"""A predictor as bytes: the same after the journey, and refused when they were meddled with."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

from routing.artefact import Unreadable, digest, packed, unpacked
from routing.learning import Learnt
from tests.routing import learned


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    return learned.learnt(60)


def test_it_says_the_same_after_the_journey(learnt: Learnt) -> None:
    content = packed(learnt)
    back = unpacked(content, digest(content))
    point = learned.around(learned.HOME, 1, seed=2)[0], learned.surfaces(1)[0]
    before, after = learnt.expect(*point)["good"], back.expect(*point)["good"]
    assert before and after and after.low == pytest.approx(before.low, abs=1e-4) and after.n == before.n
    assert back.default == "default" and back.mark == digest(content)


def test_the_same_predictor_gives_the_same_bytes(learnt: Learnt) -> None:
    assert packed(learnt) == packed(learned.learnt(60))


def test_a_changed_byte_is_noticed(learnt: Learnt) -> None:
    content = bytearray(packed(learnt))
    content[len(content) // 2] ^= 1
    with pytest.raises(Unreadable, match="checksum"):
        unpacked(bytes(content), digest(packed(learnt)))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('a predictor was executed')",))


def test_nothing_is_executed_when_it_is_read() -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        array = io.BytesIO()
        np.lib.format.write_array(array, np.array([Bomb()], dtype=object), allow_pickle=True)
        archive.writestr("head.npy", array.getvalue())
    with pytest.raises(Unreadable):
        unpacked(whole.getvalue(), digest(whole.getvalue()))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all", pickle.dumps({"a": 1})])
def test_what_is_no_predictor_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(Unreadable):
        unpacked(content, digest(content))
