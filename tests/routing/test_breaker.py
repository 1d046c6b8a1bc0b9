"""The circuit breaker: when it opens, how it probes, how it recovers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routing.breaker import IN_A_ROW, LEAST_FAILURES, LONGEST_REST_S, REST_S, WINDOW_S, Breaker


def broken(at: float = 0.0) -> Breaker:
    made = Breaker()
    for _ in range(LEAST_FAILURES):
        made.failed(at)
    return made


def test_a_few_failures_are_no_sign() -> None:
    made = Breaker()
    for _ in range(LEAST_FAILURES - 1):
        made.failed(0.0)
    assert made.state == "closed" and made.may_pass(0.0)


def test_many_failures_open_it() -> None:
    made = broken()
    assert made.state == "open" and not made.may_pass(1.0)
    assert made.retry_after_s(1.0) == REST_S - 1.0


def test_failures_among_many_successes_leave_it_closed() -> None:
    made = Breaker()
    for _ in range(20):
        made.succeeded(0.0)
    for _ in range(LEAST_FAILURES):
        made.failed(0.0)
    assert made.state == "closed"


def test_old_failures_fade() -> None:
    made = Breaker()
    for number in range(50):
        made.failed(number * WINDOW_S * 3)
    assert made.state == "closed"


def test_after_a_rest_one_call_probes() -> None:
    made = broken()
    assert made.may_pass(REST_S) and made.state == "half_open"
    assert not made.may_pass(REST_S)


def test_a_probe_that_succeeds_closes_it() -> None:
    made = broken()
    made.may_pass(REST_S)
    made.succeeded(REST_S)
    assert made.state == "closed" and made.may_pass(REST_S)


def test_a_probe_that_fails_doubles_the_rest() -> None:
    made = broken()
    made.may_pass(REST_S)
    made.failed(REST_S)
    assert made.state == "open" and made.retry_after_s(REST_S) == 2 * REST_S


def test_the_rest_has_an_end() -> None:
    made, now = broken(), 0.0
    for _ in range(20):
        now += made.retry_after_s(now)
        assert made.may_pass(now)
        made.failed(now)
    assert made.retry_after_s(now) == LONGEST_REST_S


def test_a_probe_that_tells_nothing_gives_its_place_back() -> None:
    made = broken()
    made.may_pass(REST_S)
    made.abandoned()
    assert made.may_pass(REST_S)


@given(st.lists(st.tuples(st.sampled_from(["succeeded", "failed"]), st.floats(0, 60)), max_size=60))
def test_it_never_stays_shut_for_good(history: list[tuple[str, float]]) -> None:
    made, now = Breaker(), 0.0
    for what, pause in history:
        now += pause
        if made.may_pass(now):
            getattr(made, what)(now)
    assert made.may_pass(now + LONGEST_REST_S)


def test_under_much_load_an_outage_opens_it_at_once() -> None:
    breaker = Breaker()
    for number in range(1_000):
        breaker.succeeded(number * 0.01)
    for number in range(IN_A_ROW):
        assert breaker.state == "closed"
        breaker.failed(10 + number * 0.01)
    assert breaker.state == "open"


def test_one_success_between_failures_begins_the_row_anew() -> None:
    breaker = Breaker()
    for number in range(1_000):
        breaker.succeeded(number * 0.01)
    for number in range(3 * IN_A_ROW):
        breaker.succeeded(10.0) if number % (IN_A_ROW - 1) == 0 else breaker.failed(10.0)
    assert breaker.state == "closed"
