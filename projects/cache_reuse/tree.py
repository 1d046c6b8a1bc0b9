"""The tree of shared prefixes: what calls begin with in common, where they part, and how many go each way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from projects.cache_reuse.hits import Trace
from projects.cache_reuse.prompts import Call

MAX_DEPTH, MAX_CHILDREN, SNIPPET_CHARS = 6, 4, 80


@dataclass(frozen=True, slots=True)
class Node:
    """A stretch that `n_calls` share. Places in blocks from the prompt's start; `snippet` is how its text begins."""

    begin: int
    end: int
    n_calls: int
    n_sessions: int
    role: str
    snippet: str
    model: str
    children: list[Node] = field(default_factory=list)
    n_parted: int = 0

    @property
    def n_blocks(self) -> int:
        return self.end - self.begin

    @property
    def n_saved(self) -> int:
        """Blocks of this stretch that a cache without limit would answer: all uses but the first."""
        return (self.n_calls - 1) * self.n_blocks


def tree(calls: Sequence[Call], trace: Trace, block_chars: int) -> list[Node]:
    """The roots, those that save most first; only stretches that at least two calls share."""
    ids = [trace.blocks[trace.starts[at] : trace.starts[at + 1]].tolist() for at in range(trace.n_calls)]
    return _Grower(calls, ids, block_chars).children(range(len(calls)), 0, 0)


def flat(nodes: Sequence[Node], depth: int = 0) -> Iterator[tuple[int, Node]]:
    """(depth, node) in reading order."""
    for node in nodes:
        yield depth, node
        yield from flat(node.children, depth + 1)


@dataclass(frozen=True, slots=True)
class _Grower:
    calls: Sequence[Call]
    ids: Sequence[list[int]]
    block_chars: int

    def children(self, members: Sequence[int], at: int, depth: int) -> list[Node]:
        """What the members' prompts are from block `at` on, where at least two have the same."""
        groups: dict[int, list[int]] = {}
        for member in members:
            if len(self.ids[member]) > at:
                groups.setdefault(self.ids[member][at], []).append(member)
        shared = sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)
        nodes = [self.node(group, at, depth) for group in shared[: MAX_CHILDREN * 4]]
        return sorted(nodes, key=lambda node: node.n_saved + _below(node), reverse=True)[:MAX_CHILDREN]

    def node(self, members: list[int], at: int, depth: int) -> Node:
        end = self.end(members, at)
        below = self.children(members, end, depth + 1) if depth + 1 < MAX_DEPTH else []
        first = self.calls[members[0]]
        role, snippet = _place(first, at * self.block_chars)
        sessions = {self.calls[member].session for member in members} - {None}
        n_parted = len(members) - sum(child.n_calls for child in below)
        return Node(at, end, len(members), len(sessions), role, snippet, first.model, below, n_parted)

    def end(self, members: list[int], at: int) -> int:
        """Where the first of them ends, or they part."""
        shortest = min(len(self.ids[member]) for member in members)
        first = self.ids[members[0]]
        # Equal ids mean equal texts from the start, so the last shared block can be searched by halving.
        low, high = at + 1, shortest
        while low < high:
            middle = (low + high + 1) // 2
            if all(self.ids[member][middle - 1] == first[middle - 1] for member in members):
                low = middle
            else:
                high = middle - 1
        return low


def _below(node: Node) -> int:
    return sum(child.n_saved + _below(child) for child in node.children)


def _place(call: Call, char: int) -> tuple[str, str]:
    """Whose text stands at a place, and how it goes on there."""
    for segment in call.segments:
        length = len(segment.written)
        if char < length:
            return segment.role, segment.written[max(char, len(segment.role) + 1) :][:SNIPPET_CHARS]
        char -= length
    return "", ""
