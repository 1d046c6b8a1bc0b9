"""Any change of a pack is noticed, none of them crashes, and the same inputs give the same bytes. No database here."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.evidence import (
    FORMAT,
    NotAPack,
    Report,
    canonical,
    decision_of,
    opened,
    pairs_of,
    sealed,
    sha256,
    verify,
)
from evaluation.paired import Plan
from evaluation.rubrics import RUBRICS

ROOT = Path(__file__).resolve().parent.parent.parent
OLD, NEW = "maker/old", "maker/new"
JUDGES = ("maker/judge-a", "maker/judge-b")
few = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def content(*, n: int = 36, seed: int = 5, gain: float = 0.0) -> dict[str, Any]:
    """What a run of so many prompts gathers: two options, two judges, some comparisons and labels."""
    dice = np.random.default_rng(seed)
    plan = Plan(candidates=(NEW,), population_size=max(n, 30), max_pairs=n, margin_quality=0.05, margin_safety=None)
    pack: dict[str, Any] = {
        "format": FORMAT,
        "project": "agent",
        "run": {"id": 7, "name": "a test — ü 🙂", "incumbent": OLD, "seed": seed},
        "plan": plan.to_dict(),
        "prices": {OLD: {"rates": {"input": "0.000002"}}},
        "circumstances": {"charged_at_most_usd": "0.5", "budget_usd": "1"},
        "rubrics": {rubric.identity: {"text": rubric.text, "version": rubric.version} for rubric in RUBRICS.values()},
        **{name: [] for name in ("prompts", "answers", "verdicts", "preferences", "labels")},
    }
    for position in range(n):
        pack["prompts"].append({"position": position, "stratum": "all", "covariates": []})
        score = int(dice.integers(40, 90))
        for option, better in ((OLD, 0), (NEW, round(100 * gain))):
            _answer(pack, position, option, score=min(100, max(0, score + better)), dice=dice)
        if position % 3 == 0:
            _compare(pack, position)
    return pack


def _answer(pack: dict[str, Any], position: int, option: str, *, score: int, dice: np.random.Generator) -> None:
    key, cost = f"run-7-{position}-{option}", "0.010" if option == OLD else "0.004"
    pack["answers"].append(
        {
            "call_key": key,
            "position": position,
            "option": option,
            "text_sha256": sha256(key),
            "same_answer_as": None,
            "is_left_out": False,
            "is_failed": position == 11 and option == OLD,
            "refused": False,
            "latency_ms": float(dice.integers(300, 900)),
            "cost_usd": cost,
            "tokens_out": 20,
        }
    )
    for judge, shift in zip(JUDGES, (0, 3), strict=True):
        raw = json.dumps({"score": min(100, score + shift), "rationale": "so"})
        told = {"call_key": f"{key}-{judge}", "answer": key, "dimension": "correctness", "judge": judge}
        pack["verdicts"].append({**told, "score": min(100, score + shift) / 100, "raw": raw})
    if position < 4:
        pack["labels"].append({"option": option, "position": position, "dimension": "correctness", "score": 0.5})


def _compare(pack: dict[str, Any], position: int) -> None:
    for is_first in (True, False):
        winner = "incumbent" if position % 2 else "candidate"
        place = "A" if (winner == "incumbent") == is_first else "B"
        told = {"call_key": f"pair-{position}-{is_first}", "answer": f"run-7-{position}-{NEW}", "judge": JUDGES[0]}
        raw = json.dumps({"winner": place, "rationale": "so"})
        pack["preferences"].append(
            {**told, "is_incumbent_first": is_first, "winner": winner, "winner_place": place, "raw": raw}
        )


def decided(pack: dict[str, Any]) -> dict[str, Any]:
    """The pack with its pairs and its decision."""
    paired = pairs_of(pack)
    pairs = {option: [pair.to_dict() for pair in found.pairs] for option, found in paired.items()}
    return {**pack, "pairs": pairs, "decision": decision_of(pack, paired).to_dict()}


@cache
def text() -> str:
    return sealed(decided(content()))


def parsed() -> dict[str, Any]:
    return json.loads(text())


def forged(pack: dict[str, Any]) -> str:
    """As a forger would: the digest made to fit."""
    return sealed({name: value for name, value in pack.items() if name != "digest"})


def is_noticed(changed: str, **noted: str) -> bool:
    """Whether verification says that something is wrong; any other exception is a crash and shows."""
    try:
        return bool(verify(changed, **noted).problems)
    except NotAPack:
        return True


Place = tuple[str | int, ...]


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if not items:
        yield place
        return
    for key, inner in items:
        yield from leaves(inner, (*place, key))


def at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


def put(value: Any, place: Place, new: Any) -> None:
    at(value, place[:-1])[place[-1]] = new


def other_than(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, (int, float)):
        return value + 1 if isinstance(value, int) else value / 2 + 0.001
    return f"{value}x" if isinstance(value, str) else [*value, 1]


def is_conclusion(place: Place) -> bool:
    return place[0] in ("pairs", "decision") or (place[0] != "labels" and place[-1] in ("score", "winner_place"))


# --- the honest pack


def test_an_honest_pack_is_found_right() -> None:
    assert verify(text(), sha256_noted=sha256(text())).problems == []


@pytest.mark.parametrize("gain", [-0.4, 0.0, 0.3])
@pytest.mark.parametrize("n", [1, 30, 60])
def test_packs_of_every_size_and_outcome_verify(n: int, gain: float) -> None:
    assert verify(sealed(decided(content(n=n, gain=gain)))).problems == []


def test_what_was_checked_is_counted() -> None:
    """36 prompts, two options, two judges: 144 verdicts; every third prompt compared in two orders: 24."""
    counts = verify(text()).counts()
    assert (counts["score"], counts["winner_place"], counts["pairs"], counts["decision"]) == (144, 24, 1, 1)


def test_white_space_around_a_pack_is_no_change() -> None:
    assert verify(f"\n {text()}\n\n").problems == []


def test_the_hash_noted_is_of_the_very_bytes() -> None:
    assert verify(f"{text()}\n", sha256_noted=sha256(text())).problems


# --- changes


@few
@given(st.data())
def test_one_changed_character_anywhere_is_noticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text()) - 1))
    new = data.draw(st.sampled_from('0123456789abcdef"\\{}[],:. \n\x00Aü').filter(lambda each: each != text()[place]))
    assert is_noticed(text()[:place] + new + text()[place + 1 :])


@few
@given(st.data())
def test_one_flipped_bit_anywhere_is_noticed(data: st.DataObject) -> None:
    raw = bytearray(text().encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert is_noticed(raw.decode("utf-8", "replace"))


@few
@given(st.data())
def test_one_character_more_or_less_is_noticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(text()) - 1))
    assert is_noticed(text()[:place] + text()[place + 1 :]) and is_noticed(f"{text()[:place]}0{text()[place:]}")


@few
@given(st.integers(0, 2_000_000))
def test_a_pack_cut_short_is_noticed(length: int) -> None:
    assert is_noticed(text()[: length % len(text())])


@few
@given(st.data())
def test_any_value_changed_without_its_digest_is_noticed(data: st.DataObject) -> None:
    pack = parsed()
    place = data.draw(st.sampled_from(list(leaves(pack))))
    put(pack, place, other_than(at(pack, place)))
    assert is_noticed(canonical(pack))


@few
@given(st.data())
def test_a_changed_conclusion_is_noticed_though_the_digest_fits(data: st.DataObject) -> None:
    """Pairs, decision, scores and winners follow from what judges and meters said; nobody can state others."""
    pack = parsed()
    follow = [
        place for place in leaves(pack) if place[0] in ("pairs", "decision") or place[-1] in ("score", "winner_place")
    ]
    place = data.draw(st.sampled_from([each for each in follow if each[0] != "labels"]))
    put(pack, place, other_than(at(pack, place)))
    assert is_noticed(forged(pack))


@few
@given(st.data())
def test_whatever_is_forged_throughout_differs_from_the_hash_noted_elsewhere(data: st.DataObject) -> None:
    pack = parsed()
    place = data.draw(st.sampled_from([place for place in leaves(pack) if place[0] != "digest"]))
    put(pack, place, other_than(at(pack, place)))
    assert is_noticed(forged(pack), sha256_noted=sha256(text()))


@pytest.mark.parametrize(
    "name", ["prompts", "answers", "verdicts", "pairs", "decision", "plan", "run", "rubrics", "digest"]
)
def test_a_missing_part_is_noticed(name: str) -> None:
    pack = parsed()
    del pack[name]
    assert is_noticed(canonical(pack)) and (name == "digest" or is_noticed(forged(pack)))


@pytest.mark.parametrize("name", ["answers", "verdicts", "prompts"])
def test_a_row_less_in_what_was_gathered_is_noticed(name: str) -> None:
    pack = parsed()
    pack[name].pop(3)
    assert is_noticed(forged(pack))


@pytest.mark.parametrize("said", ["", "nonsense", "50", '{"score": 101}', '{"score": true}', "null", "[" * 9_999, None])
def test_a_verdict_that_cannot_be_read_gives_no_score(said: str | None) -> None:
    pack = parsed()
    pack["verdicts"][0]["raw"] = said
    assert is_noticed(forged(pack))
    pack["verdicts"][0]["score"] = None
    assert verify(forged(decided(pack))).problems == []


HOSTILE: list[Any] = [None, True, -1, 0, 10**30, -1e308, [], {}, [[]], {"": None}]
HOSTILE += ["", "NaN", "sNaN", "1e999999", "\ud800", "\x00", "x" * 999]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numbers beyond all measure overflow, and are noticed
@few
@given(st.data())
def test_hostile_values_are_differences_and_never_crashes(data: st.DataObject) -> None:
    pack = parsed()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(leaves(pack))))
        put(pack, place[: data.draw(st.integers(1, len(place)))], copy.deepcopy(data.draw(st.sampled_from(HOSTILE))))
    try:
        report = verify(forged(pack), sha256_noted=sha256(text()))
    except NotAPack:
        return
    assert report.problems or pack == parsed()


@pytest.mark.parametrize("spelling", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_know_are_noticed(spelling: str) -> None:
    assert is_noticed(text().replace('"latency_ms":', f'"ttft_ms":{spelling},"latency_ms":', 1))


def test_a_name_given_twice_is_noticed() -> None:
    assert is_noticed(text().replace('"format":', '"format":"netra-evidence/1","format":', 1))


@pytest.mark.parametrize("told", ['"x"', "7", "null", "true", "1e400", "9" * 5_000, '{"format":"netra-evidence/2"}'])
def test_what_is_no_pack_says_so_in_a_sentence(told: str) -> None:
    with pytest.raises(NotAPack, match=r"^This is not .*\.$"):
        opened(told)


# --- the same bytes

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=5), json_values, max_size=5)


@given(objects)
def test_the_order_of_names_is_no_matter(value: dict[str, Any]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


@given(json_values)
def test_the_canonical_text_is_that_of_what_it_says(value: Any) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(objects)
def test_what_is_sealed_bears_the_digest_of_the_rest(value: dict[str, Any]) -> None:
    value.pop("digest", None)
    pack = json.loads(sealed(value))
    assert pack.pop("digest") == sha256(canonical(pack))


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": -float("inf")}])
def test_a_value_without_a_json_text_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical(value)


def test_half_a_character_has_a_hash_too() -> None:
    assert len(sha256("\ud800")) == 64 and sha256("\ud800") != sha256("\udfff")


def test_the_same_inputs_and_seed_give_the_same_bytes() -> None:
    assert sealed(decided(content(seed=9))) == sealed(decided(content(seed=9))) != sealed(decided(content(seed=10)))


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_another_process_gives_the_same_bytes(hash_seed: str, tmp_path: Path) -> None:
    """Whatever order its sets and dictionaries have; and without settings or a database."""
    path = tmp_path / "content.json"
    path.write_text(json.dumps(content()), encoding="utf-8")
    program = (
        "import json, sys; from evaluation.evidence import *\n"
        "pack = json.load(open(sys.argv[1], encoding='utf-8')); paired = pairs_of(pack)\n"
        "pack['pairs'] = {name: [pair.to_dict() for pair in found.pairs] for name, found in paired.items()}\n"
        "pack['decision'] = decision_of(pack, paired).to_dict(); print(sha256(sealed(pack)))\n"
    )
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [sys.executable, "-c", program, str(path)], env=environment, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == sha256(text())


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_is_no_matter_to_the_verdict(dice: random.Random) -> None:
    pack = content()
    for name in ("answers", "verdicts", "preferences", "labels"):
        dice.shuffle(pack[name])
    assert canonical(decided(pack)["decision"]) == canonical(parsed()["decision"])


def test_a_report_says_which_check_failed() -> None:
    report = Report()
    report.check("scores of a", {"x": 1, "y": 2}, {"y": 2, "x": 1})
    report.check("scores of b", 1, 2)
    assert report.problems == ["scores of b: the pack does not say what its own evidence gives."]
    assert report.counts() == {"scores": 2}
