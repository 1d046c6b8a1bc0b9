"""A sample is one call for each distinct prompt, stratified, in an order the seed fixes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from evaluation.selector import draw, one_each, stratum_of


def call(number, *, kind="billing", chars=100, model="sim-large", prompt=None, out=50):
    return {
        "event_id": f"e-{number:05}",
        "kind": kind,
        "prompt_hash": prompt or f"p-{number}",
        "prompt_chars": chars,
        "served_model": model,
        "requested_model": model,
        "tok_output_visible": out,
    }


def population(*sizes):
    return [call(100 * place + each, kind=f"kind {place}") for place, size in enumerate(sizes) for each in range(size)]


def test_the_same_seed_gives_the_same_order_whatever_the_order_of_the_log():
    calls = population(50, 30)
    assert draw(calls, n=40, seed=7) == draw(calls[::-1], n=40, seed=7)


def test_another_seed_gives_another_order():
    calls = population(50)
    assert draw(calls, n=50, seed=1).prompts != draw(calls, n=50, seed=2).prompts


def test_nothing_is_drawn_twice():
    ids = [prompt.event_id for prompt in draw(population(80, 20), n=60, seed=3).prompts]
    assert len(set(ids)) == len(ids) == 60


def test_strata_give_their_share_to_within_one():
    drawn = draw(population(60, 30, 10), n=50, seed=5).prompts
    counts = Counter(prompt.stratum.split(" · ")[0] for prompt in drawn)
    assert abs(counts["kind 0"] - 30) <= 1 and abs(counts["kind 1"] - 15) <= 1 and abs(counts["kind 2"] - 5) <= 1


def test_a_prompt_asked_many_times_counts_once():
    repeated = [call(number, prompt="the same") for number in range(20)]
    sample = draw([*repeated, call(99)], n=10, seed=0)
    assert sample.population_size == 2 and sample.n_calls == 21 and len(sample.prompts) == 2


def test_the_same_last_turn_in_another_conversation_is_another_prompt():
    assert len(one_each([call(1, prompt="yes", chars=40), call(2, prompt="yes", chars=900)])) == 2


def test_positions_count_from_zero_without_gaps():
    assert [prompt.position for prompt in draw(population(9), n=9, seed=1).prompts] == list(range(9))


def test_nothing_to_draw_from_is_an_empty_sample():
    sample = draw([], n=10, seed=1)
    assert sample.prompts == () and sample.population_size == 0 and sample.covariate_means is None


def test_strata_are_kind_size_and_model():
    assert stratum_of(call(1, chars=100)) == "billing · short · sim-large"
    assert stratum_of(call(1, chars=1_000)) == "billing · medium · sim-large"
    assert stratum_of(call(1, chars=10_000, model=None)) == "billing · long · unknown model"


def test_an_unknown_answer_length_is_average_not_zero():
    unknown, known = (draw([call(1, out=out)], n=1, seed=0).prompts[0].covariates for out in (None, 0))
    assert unknown[1] > known[1] == 0.0


def test_covariate_means_are_of_the_population_not_of_the_sample():
    calls = [call(number, chars=10 * number) for number in range(40)]
    assert draw(calls, n=5, seed=0).covariate_means == draw(calls, n=40, seed=9).covariate_means


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(1, 60), st.integers(0, 2**32))
def test_as_many_as_asked_or_as_there_are(sizes, n, seed):
    sample = draw(population(*sizes), n=n, seed=seed)
    assert len(sample.prompts) == len({prompt.event_id for prompt in sample.prompts}) == min(n, sum(sizes))
    assert sum(sample.strata.values()) == sample.population_size == sum(sizes)


def test_every_place_in_the_order_is_a_fair_draw():
    """Over 2,000 seeds each of 10 prompts comes first about 200 times: sd of a count is √(2000·0.1·0.9) = 13.4."""
    firsts = Counter(draw(population(5, 5), n=4, seed=seed).prompts[0].event_id for seed in range(2_000))
    assert len(firsts) == 10 and all(abs(count - 200) < 5 * 13.4 for count in firsts.values())
