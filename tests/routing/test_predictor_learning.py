"""What is expected of an option on a prompt: learnt where it was judged, unknown where it was not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routing.learning import MIN_PAIRS, Learnt, Lesson, Pairs, as_pairs, learn_pairs
from routing.predictor_report import report
from routing.regression import Kernel, fit
from tests.routing import learned
from tests.routing.learned import AWAY, ELSEWHERE, HOME


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    return learned.learnt()


def test_an_option_is_as_good_on_the_kind_it_was_judged_good_on(learnt: Learnt) -> None:
    found = learnt.expect(learned.around(HOME, 1, seed=9)[0], learned.surfaces(1)[0])
    assert found["good"] and found["good"].low > 0.1 and found["good"].n == 300
    assert found["bad"] and found["bad"].high < 0


def test_the_same_option_is_worse_on_another_kind(learnt: Learnt) -> None:
    found = learnt.expect(learned.around(AWAY, 1, seed=9)[0], learned.surfaces(1)[0])
    assert found["good"] and found["good"].high < -0.3


def test_a_prompt_unlike_all_judged_ones_has_no_bound(learnt: Learnt) -> None:
    found = learnt.expect(learned.around(ELSEWHERE, 1)[0], learned.surfaces(1)[0])
    assert found == {"good": None, "bad": None}


def test_nearly_all_prompts_of_a_known_kind_are_known(learnt: Learnt) -> None:
    fresh = learned.around(HOME, 200, seed=5)
    assert learnt.expect_all(fresh, learned.surfaces(200))["good"].is_known.mean() > 0.9


def test_bounds_widen_on_the_way_to_the_unknown(learnt: Learnt) -> None:
    way = np.linspace(0, 1, 12)[:, None]
    middle = learned.pairs().embeddings[:150].mean(0)
    away = (1 - way) * middle / np.linalg.norm(middle) + way * learned.around(ELSEWHERE, 1)
    steps = np.asarray(away / np.linalg.norm(away, axis=1, keepdims=True), dtype=np.float32)
    bounds = learnt.expect_all(steps, np.repeat(learned.surfaces(1), 12, axis=0))["good"]
    widths = bounds.high - bounds.low
    assert (np.diff(widths) > -1e-3).all() and widths[-1] > 2 * widths[0]


def test_variance_grows_with_the_distance_from_one_point_and_never_past_the_prior() -> None:
    """By hand: one pair of noise 1 at 0 leaves near − (near·e^(−spread·x²))² / (near + 1) at x, plus 1 for n = 1."""
    kernel = Kernel(near=0.5, spread=1.0, slope=0.0)
    process = fit(np.zeros((1, 1)), np.array([[0.2]]), kernel, np.random.default_rng(0))
    _, left = process.predict(np.array([[0.0], [1.0], [5.0]]))
    assert left == pytest.approx([0.5 - 0.25 / 1.5 + 1, 0.5 - (0.5 * np.exp(-1)) ** 2 / 1.5 + 1, 1.5], abs=1e-9)


def test_the_projected_process_agrees_with_the_whole_one() -> None:
    rng = np.random.default_rng(1)
    points, targets = rng.normal(size=(300, 3)), rng.normal(size=(300, 2))
    near = rng.normal(size=(20, 3))
    whole = fit(points, targets, Kernel(), rng).predict(near)
    projected = fit(points, targets, Kernel(), rng, n_anchors=150).predict(near)
    assert np.abs(whole[0] - projected[0]).mean() < 0.05
    assert np.abs(whole[1] - projected[1]).mean() < 0.02


def test_the_same_pairs_give_the_same_predictor() -> None:
    one, other = (learned.learnt(60).parts[0].process for _ in range(2))
    assert np.array_equal(one.weights, other.weights) and np.array_equal(one.known, other.known)


def test_too_few_pairs_teach_nothing() -> None:
    few = learned.pairs(MIN_PAIRS // 2 - 1)
    assert learn_pairs("default", few) is None


def test_options_judged_on_different_prompts_are_learnt_apart() -> None:
    made = learned.pairs(80)
    made.differences[:80, 0] = np.nan  # `bad` was judged away from home only
    found = learn_pairs("default", made)
    assert found and {part.options: part.n for part in found.parts} == {("bad",): 80, ("good",): 160}
    told = found.expect(learned.around(HOME, 1, seed=3)[0], learned.surfaces(1)[0])
    assert told["bad"] is None and told["good"] is not None


def test_random_verdicts_open_no_gate() -> None:
    made = learned.pairs(120)
    noise = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], size=made.differences.shape, p=[0.4, 0.3, 0.3])
    found = learn_pairs("default", Pairs(made.options, made.embeddings, made.surfaces, noise))
    assert found is not None
    lows = found.expect_all(learned.around(HOME, 100, seed=4), learned.surfaces(100))["good"].low
    assert (lows >= -0.02).mean() < 0.1


def test_rows_become_a_table_with_holes() -> None:
    seen = {name: (np.ones(2, dtype=np.float32), np.ones(3)) for name in ("a", "b")}
    told = [("a", "x", 0.1), ("b", "y", -0.2, 0.75), ("a", "x", 0.3), ("gone", "x", 1.0, 0.5)]
    ids, made = as_pairs([Lesson(*each) for each in told], seen)
    assert ids == ["a", "b"] and made.options == ("x", "y")
    assert made.differences[0, 0] == 0.3 and np.isnan(made.differences[0, 1])
    assert made.default_quality is not None
    assert np.isnan(made.default_quality[0]) and made.default_quality[1] == 0.75


def test_what_each_did_by_itself_is_filled_by_the_mean_where_it_is_not_known() -> None:
    rows, given = np.arange(3), learned.pairs(10)
    differences = np.array([[0.5, 0.1], [-0.5, 0.0], [0.0, 0.2]])
    made = replace(given, differences=differences, default_quality=np.array([1.0, np.nan, 0.5]))
    assert made.beside(rows, [1]).tolist() == [[1.0, 1.1], [0.75, 0.75], [0.5, 0.7]]
    for unknown in (None, np.full(3, np.nan)):
        assert replace(made, default_quality=unknown).beside(rows, [0, 1]).shape == (3, 0)


def test_the_report_says_where_it_knows_and_where_it_abstains(learnt: Learnt) -> None:
    made = learned.pairs()
    told = report(learnt, [f"e{place}" for place in range(300)], made, n_gone=4)
    good = next(each for each in told["options"] if each["option"] == "good")
    assert good["as_good"] > 0.4 and good["worse"] > 0.4 and good["skill"] > 0.9
    assert good["as_good"] + good["worse"] + good["abstains"] == pytest.approx(1, abs=1e-3)
    assert sum(kind["n"] for kind in told["kinds"]) == told["n_prompts"] == 300 and told["n_gone"] == 4


def test_the_report_names_the_steadiest(learnt: Learnt) -> None:
    """`good` gains 0.3 at home and loses 0.6 away, `bad` loses 0.5 everywhere: the default regrets least."""
    made = learned.pairs()
    assert report(learnt, ["e"] * 300, made, n_gone=0)["steadiest"] == "default"
    better = Pairs(made.options, made.embeddings, made.surfaces, np.abs(made.differences))
    assert report(learnt, ["e"] * 300, better, n_gone=0)["steadiest"] == "bad"  # 0.5 everywhere against 0.3 and 0.6


def test_options_never_judged_together_have_no_steadiest() -> None:
    made = learned.pairs(80)
    made.differences[:80, 0] = made.differences[80:, 1] = np.nan
    found = learn_pairs("default", made)
    assert found and report(found, ["e"] * 160, made, n_gone=0)["steadiest"] is None


@pytest.mark.parametrize("share", [0.0, 0.25, 0.75])
def test_the_mean_is_of_the_process_and_of_the_trees_by_their_share(learnt: Learnt, share: float) -> None:
    part = replace(learnt.parts[0], share=share)
    points = learnt.scale.joined(learned.around(HOME, 9, seed=8), learned.surfaces(9))
    smooth, trees = part.process.predict(points)[0], part.forest.predict(points)
    assert part.predict(points)[0] == pytest.approx((1 - share) * smooth + share * trees)
    assert not np.allclose(smooth, trees)


def test_the_report_of_nothing_names_what_is_missing() -> None:
    made = learned.pairs(5)
    told = report(None, ["e"] * 10, made, n_gone=0)
    assert told["options"] == [] and told["too_few"] == [{"option": "bad", "n": 10}, {"option": "good", "n": 10}]


def test_past_their_reach_the_trees_are_silent(learnt: Learnt) -> None:
    """Prompts near in meaning but of a surface never seen: the process knows less of them, and speaks alone."""
    part = replace(learnt.parts[0], share=0.75)
    embeddings, usual = learned.around(HOME, 9, seed=8), learned.surfaces(9)
    odd = np.concatenate([usual[:5], usual[5:] + 9.0])
    points = learnt.scale.joined(embeddings, odd)
    smooth, left = part.process.predict(points)
    is_past = left > part.reach
    assert is_past.tolist() == [False] * 5 + [True] * 4
    found = part.predict(points)[0]
    assert np.array_equal(found[is_past], smooth[is_past]) and not np.allclose(found[~is_past], smooth[~is_past])
