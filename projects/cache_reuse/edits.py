"""What varies too early in a prompt: everything after it is sent anew each time. Named, and moved to the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from projects.cache_reuse.prompts import HEAD_ROLES, TOOLS, Call, Segment
from projects.cache_reuse.slots import Slot, Template, templates

MOVED = "user"  # what was moved stands in the last message, after everything that stays the same


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a prompt that would let more of it be shared; `changed` are the calls' new forms by position."""

    where: str
    slots: tuple[Slot, ...]
    changed: dict[int, Call]


def edits(calls: Sequence[Call]) -> list[Edit]:
    """One edit a system prompt that changes from call to call, and one for tools that come in another order."""
    return [*_system_prompts(calls), *_tool_orders(calls)]


def applied(calls: Sequence[Call], edit: Edit) -> list[Call]:
    """The calls as they would be after an edit."""
    return [edit.changed.get(at, call) for at, call in enumerate(calls)]


def _system_prompts(calls: Sequence[Call]) -> Iterator[Edit]:
    heads = [_head(call) for call in calls]
    often = [text for text, _ in Counter(filter(None, heads)).most_common()]
    known = dict(_known(calls))
    for template in templates(often):
        found = template.slots(known)
        changed = {at: _moved(calls[at], template, head) for at, head in enumerate(heads) if head in template.values}
        if found:
            yield Edit("system prompt", tuple(found), changed)


def _head(call: Call) -> str:
    """The system prompt: all texts of the head after the tools."""
    return "\n".join(each.text for each in call.segments[: _n_head(call)] if each.role in ("system", "developer"))


def _n_head(call: Call) -> int:
    return next((at for at, each in enumerate(call.segments) if each.role not in HEAD_ROLES), len(call.segments))


def _known(calls: Sequence[Call]) -> Iterator[tuple[str, str]]:
    """What the log itself says that some values are."""
    for call in calls:
        if call.user:
            yield call.user, "user id"
        if call.session:
            yield call.session, "session id"


def _moved(call: Call, template: Template, head: str) -> Call:
    """The same call with what changes in its system prompt said at the very end instead."""
    fixed, values = template.without(head)
    end = _n_head(call)
    kept = [each for each in call.segments[:end] if each.role not in ("system", "developer")]
    moved = (*kept, Segment("system", fixed), *call.segments[end:], Segment(MOVED, values))
    return replace(call, segments=moved)


def _tool_orders(calls: Sequence[Call]) -> Iterator[Edit]:
    """The same tools in several orders: each order is another prefix."""
    orders: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for tools in map(_tools, calls):
        orders.setdefault(tuple(sorted(tools)), set()).add(tools)
    mixed = {tools for tools, seen in orders.items() if len(seen) > 1}
    changed = {at: _sorted(call) for at, call in enumerate(calls) if tuple(sorted(_tools(call))) in mixed}
    if changed:
        n_orders = sum(len(orders[tools]) for tools in mixed)
        yield Edit("tools", (Slot("order of the tools", 0, "", "", n_orders, ""),), changed)


def _tools(call: Call) -> tuple[str, ...]:
    return tuple(each.text for each in call.segments if each.role == TOOLS)


def _sorted(call: Call) -> Call:
    tools = sorted((each for each in call.segments if each.role == TOOLS), key=lambda each: each.text)
    return replace(call, segments=(*tools, *(each for each in call.segments if each.role != TOOLS)))
