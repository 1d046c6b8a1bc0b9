"""Trust in judges: agreement and corrections, worked by hand and checked by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.calibration import (
    anchor_shift,
    concordance,
    flips,
    lowest_agreement,
    prediction_powered,
    rogan_gladen,
)

RAMP = [number / 10 for number in range(11)]


def test_full_agreement_and_full_contradiction() -> None:
    assert concordance(RAMP, RAMP) == pytest.approx(1.0)
    assert concordance(RAMP, RAMP[::-1]) == pytest.approx(-1.0)


def test_a_lenient_judge_agrees_less() -> None:
    """Shifted by 0.3: var = 0.1 each, cov = 0.1, so 2·0.1 / (0.2 + 0.09) = 0.6897."""
    assert concordance(RAMP, [value + 0.3 for value in RAMP]) == pytest.approx(0.2 / 0.29)


def test_too_few_answers_tell_nothing() -> None:
    assert concordance(RAMP[:9], RAMP[:9]) is None


def test_constant_judges_agree() -> None:
    assert concordance([1.0] * 10, [1.0] * 10) == 1.0


def test_unequal_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="same answers"):
        concordance(RAMP, RAMP[:5])


def test_the_lowest_pair_of_one_dimension_counts() -> None:
    ramp = dict(enumerate(RAMP))
    back = dict(enumerate(RAMP[::-1]))
    scores = {("quality", "a"): ramp, ("quality", "b"): ramp, ("safety", "a"): back}
    assert lowest_agreement(scores) == pytest.approx(1.0)
    assert lowest_agreement({**scores, ("quality", "c"): back}) == pytest.approx(-1.0)
    assert lowest_agreement({("quality", "a"): ramp}) is None


def test_flips_without_comparisons_are_unknown() -> None:
    assert flips(0, 0).value is None
    assert flips(3, 10).value == pytest.approx(0.3)


def test_a_biased_judge_is_corrected_by_labels() -> None:
    """The judge says 0.2 too much; forty labels move the mean back, and the interval holds the truth."""
    dice = np.random.default_rng(2)
    truth = dice.uniform(0.3, 0.7, 500)
    judged = truth + 0.2 + dice.normal(0, 0.05, 500)
    shown = prediction_powered(judged, judged[:40], truth[:40])
    assert shown is not None
    assert shown.value == pytest.approx(float(truth.mean()), abs=0.03)
    assert shown.low is not None
    assert shown.high is not None
    assert shown.low < truth.mean() < shown.high


def test_corrected_intervals_cover() -> None:
    """300 times: 95 % intervals must cover in at least 95 % − 4 SE = 90 %."""
    dice = np.random.default_rng(4)
    covered = 0
    for _ in range(300):
        truth = (dice.random(400) < 0.6).astype(float)
        judged = np.where(dice.random(400) < 0.85, truth, 1 - truth)
        shown = prediction_powered(judged, judged[:60], truth[:60])
        assert shown is not None
        assert shown.low is not None
        assert shown.high is not None
        covered += shown.low <= 0.6 <= shown.high
    assert covered / 300 >= 0.90


def test_one_label_corrects_nothing() -> None:
    assert prediction_powered(np.array([0.1, 0.2]), np.array([0.1]), np.array([0.3])) is None


def test_rogan_gladen_by_hand() -> None:
    """A judge 80 % right both ways that says 62 % passes: (0.62 + 0.8 − 1)/(0.8 + 0.8 − 1) = 0.7."""
    assert rogan_gladen(0.62, 0.8, 0.8) == pytest.approx(0.7)
    assert rogan_gladen(0.1, 0.8, 0.8) == 0.0
    assert rogan_gladen(0.5, 0.5, 0.5) is None


def test_anchors_tell_a_judge_that_moved() -> None:
    then = [0.2, 0.4, 0.6, 0.8]
    moved = anchor_shift(then, [value + 0.1 for value in then])
    assert moved is not None
    assert moved.value == pytest.approx(0.1)
    assert anchor_shift([0.1], [0.2]) is None
