"""Whether an answer from the cache was the right one: two answers compared, and what many comparisons say. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf, lgamma, log

ALIKE = 0.9  # cosine of two answers that say the same in other words
FEWEST = 20  # below so many checks a share is not told
_PRIOR = 0.5
_STEPS = 60
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SIDE = re.compile(r"^\W*(yes|no|true|false|[a-z](?=[.):]|$))", re.IGNORECASE)


def agreement(kept: str, fresh: str, cosine: Callable[[], float]) -> tuple[bool, str]:
    """Whether two answers say the same, and by what that was seen.

    The same words agree. Other words disagree where their numbers differ, or their yes or no, or the letter of a
    choice; else their embeddings decide (`cosine` is only asked then). Cheap, and strict: a right answer that is
    put differently counts as wrong rather than the other way round.
    """
    if _plain(kept) == _plain(fresh):
        return True, "same words"
    if sorted(_NUMBER.findall(kept)) != sorted(_NUMBER.findall(fresh)):
        return False, "other numbers"
    if _side(kept) != _side(fresh):
        return False, "other choice"
    return cosine() >= ALIKE, "meaning"


def interval(n_false: int, n: int, *, alpha: float = 0.05) -> tuple[float, float]:
    """Bounds of a share that hold at every look at once, however often one looks.

    The shares p for which a Beta(½, ½) mixture has not yet won 1/alpha against p (Robbins 1970; Ville's inequality).
    """
    if n == 0:
        return 0.0, 1.0
    seen, limit = n_false / n, log(1 / alpha)

    def is_open(share: float) -> bool:
        return _log_wealth(n_false, n, share) < limit

    low = 0.0 if n_false == 0 else _edge(is_open, seen, 0.0)
    high = 1.0 if n_false == n else _edge(is_open, seen, 1.0)
    return low, high


def _edge(is_open: Callable[[float], bool], inside: float, outside: float) -> float:
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if is_open(middle) else (inside, middle)
    return outside


def _log_wealth(k: int, n: int, share: float) -> float:
    mixture = _log_beta(_PRIOR + k, _PRIOR + n - k) - _log_beta(_PRIOR, _PRIOR)
    return mixture - _times_log(k, share) - _times_log(n - k, 1 - share)


def _times_log(count: int, share: float) -> float:
    if count == 0:
        return 0.0
    return count * log(share) if share > 0 else -inf


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")


def _side(text: str) -> str:
    found = _SIDE.match(text)
    return found[1].lower() if found else ""
