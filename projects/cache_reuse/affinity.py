"""Several servers, each with a cache of its own: what is lost when calls go anywhere, and what regains it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from projects.cache_reuse import hits
from projects.cache_reuse.hits import Ints, Trace
from projects.cache_reuse.prompts import Call

SPREAD, ONE = "spread", "one"


@dataclass(frozen=True, slots=True)
class Affinity:
    """A rule that sends calls to servers, and the leading blocks its caches answer of each call.

    `n_named` calls it can tell apart; `busiest` is the share of calls at the server that gets most of them.
    """

    name: str
    title: str
    n_named: int
    busiest: float | None
    found: Ints


_KEYS: dict[str, tuple[str, Callable[[Call], str | None]]] = {
    "session": ("each session to one server", lambda call: call.session),
    "user": ("each user to one server", lambda call: call.user),
    "prompt": ("each system prompt to one server", lambda call: _begins(call)),
    "kind": ("each kind of work to one server", lambda call: call.kind or None),
}


def affinities(calls: Sequence[Call], trace: Trace, *, n_servers: int, lifetime_s: float) -> list[Affinity]:
    """Calls in turn to each server, by every rule, and all to one. A call that a rule cannot name goes in turn."""
    turns = [str(at % n_servers) for at in range(len(calls))]
    ways = [(SPREAD, "calls in turn to each server", 0, turns)]
    for name, (title, key) in _KEYS.items():
        named = [key(call) for call in calls]
        servers = [_server(each, n_servers) if each else turn for each, turn in zip(named, turns, strict=True)]
        ways.append((name, title, sum(each is not None for each in named), servers))
    ways.append((ONE, "all calls share one cache", len(calls), ["0"] * len(calls)))
    return [
        Affinity(name, title, n_named, _busiest(servers), hits.with_lifetime(trace.shared_within(servers), lifetime_s))
        for name, title, n_named, servers in ways
    ]


def _busiest(servers: Sequence[str]) -> float | None:
    return max(Counter(servers).values()) / len(servers) if servers else None


def _server(key: str, n_servers: int) -> str:
    digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()
    return str(int.from_bytes(digest, "big") % n_servers)


def _begins(call: Call) -> str | None:
    """What the prompt begins with, which is all that a router has time to look at."""
    return f"{call.model}\0{call.segments[0].text[:1000]}" if call.segments else None
