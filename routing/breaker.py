"""A circuit breaker: an option that keeps failing is left alone, then tried with single calls. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# Of the calls in a window, at least so many and this share must fail; a lone failure is no sign.
WINDOW_S = 30.0
LEAST_FAILURES = 5
FAILING_SHARE = 0.5
# Under much load, an outage takes a whole window to become half of it; so many in a row are enough, each soon after the
# one before.
IN_A_ROW = 10
SOON_S = 5.0
REST_S = 5.0
LONGEST_REST_S = 120.0


@dataclass(slots=True)
class Breaker:
    """Closed (calls pass), open (none pass until the rest is over), half open (one at a time, as a probe).

    Counts fade by half in each window, so that the past weighs less without keeping a list. Times are seconds of any
    monotonic clock.
    """

    _failures: float = 0.0
    _calls: float = 0.0
    _counted_at: float = 0.0
    _open_until: float | None = None
    _rest_s: float = REST_S
    _is_probing: bool = False
    _in_a_row: int = 0
    _failed_at: float = 0.0

    @property
    def state(self) -> str:
        if self._open_until is None:
            return "closed"
        return "half_open" if self._is_probing else "open"

    def may_pass(self, now: float) -> bool:
        """Whether a call may be made; a True in the open state is the probe, and must be reported."""
        if self._open_until is None:
            return True
        if self._is_probing or now < self._open_until:
            return False
        self._is_probing = True
        return True

    def retry_after_s(self, now: float) -> float:
        """How long it stays closed to calls, at least."""
        return 0.0 if self._open_until is None else max(0.0, self._open_until - now)

    def succeeded(self, now: float) -> None:
        if self._open_until is not None:
            self._open_until, self._is_probing, self._rest_s = None, False, REST_S
            self._failures = self._calls = 0.0
        self._in_a_row = 0
        self._fade(now)
        self._calls += 1

    def failed(self, now: float) -> None:
        """Count a failure that is the option's own: not a bad request, not a client that went away."""
        self._fade(now)
        self._calls += 1
        self._failures += 1
        self._in_a_row = self._in_a_row + 1 if now - self._failed_at <= SOON_S else 1
        self._failed_at = now
        if self._is_probing:
            self._rest_s = min(LONGEST_REST_S, self._rest_s * 2)
            self._open(now)
        elif self._in_a_row >= IN_A_ROW or self._is_half():
            self._open(now)

    def _is_half(self) -> bool:
        return self._failures >= LEAST_FAILURES and self._failures >= FAILING_SHARE * self._calls

    def abandoned(self) -> None:
        """A call ended without telling anything of the option; a probe's place is given back."""
        self._is_probing = False

    def _open(self, now: float) -> None:
        if self._open_until is None or self._is_probing:
            self._open_until, self._is_probing = now + self._rest_s, False

    def _fade(self, now: float) -> None:
        if now > self._counted_at:
            share = 0.5 ** ((now - self._counted_at) / WINDOW_S)
            self._failures, self._calls, self._counted_at = self._failures * share, self._calls * share, now
