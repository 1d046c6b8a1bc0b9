"""Guardrails at work on one request: what it sends, what comes back whole, and what comes back in pieces."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from netra.answers import EventReader, loaded
from netra.errors import NetraError, ProviderFailed
from projects.ingest.values import repaired
from projects.privacy import Door
from routing.demand import CHARS_PER_TOKEN
from routing.gateway.answer_texts import ASKED, LENGTHS, Pieces, is_held_back, through, without_logprobs
from routing.gateway.windows import Mark, Window, marked
from routing.gateway.wire import packed
from routing.guardrails import BLOCK, CHARACTERS, INPUT, MASK, MAX_TOKENS, OUTPUT, Finder, Rule, finders

BLOCKED = "guardrail_blocked"
# More finds than this are no slip of a person's: such a text is refused rather than worked through.
MOST_FINDS = 2_000
# Below this a text is searched where it is; a longer one in a thread, which leaves the event loop to others.
AT_ONCE_CHARS = 4_000
_KEPT_BACK = re.compile(r"\[[a-z_]{2,8}_\d{1,4}\]")
LONGEST_KEPT_BACK = 16


class Refused(NetraError):
    """A guardrail refused the request or its answer."""

    status, code = 400, BLOCKED

    def __init__(self, rule: Rule, why: str = "") -> None:
        what = "request" if rule.on == INPUT else "answer"
        super().__init__(f"The guardrail {rule.name!r} refused this {what}{why}.")


class Withheld(ProviderFailed):
    """A guardrail refused an answer while it came: what it cost is not known to the end."""

    status, code = 400, BLOCKED


class Guard:
    """One request's guardrails. `told` is what they did, for the event: rules and counts, never the matched text."""

    def __init__(self, rules: tuple[Rule, ...], door: Door) -> None:
        self._rules, self._door = rules, door
        self._done: Counter[tuple[str, str, str]] = Counter()
        self._originals: dict[str, str] = {}
        self._marks: dict[str, str] = {}
        self.problem: Refused | None = None

    @property
    def told(self) -> list[dict[str, Any]]:
        names = ("guardrail", "guardrail_on", "guardrail_action")
        return [{**dict(zip(names, key, strict=True)), "count": n} for key, n in sorted(self._done.items())]

    @property
    def restores(self) -> bool:
        return bool(self._originals)

    def _finders(self, on: str) -> list[Finder]:
        return [each for rule in self._rules if rule.on == on for each in finders(rule, self._door)]

    # --- what is sent

    def check_stream(self) -> None:
        """Raises Refused where a rule looks at answers: for a stream whose words it cannot follow."""
        for rule in self._rules:
            if rule.restore or (rule.on == OUTPUT and rule.kind != MAX_TOKENS):
                self._note(rule, BLOCK)
                raise Refused(rule, ": it follows streams of chat completions only, so ask for it without stream")

    async def admit(self, path: str, body: dict[str, Any], size: int) -> dict[str, Any]:
        """The request as it may go out. Raises Refused."""
        body = self._within_limits(path, body)
        found = self._finders(INPUT)
        if not found:
            return body
        return await self._searched(size, lambda: self._passed(body, found))

    def _passed(self, body: dict[str, Any], found: list[Finder]) -> dict[str, Any]:
        body = repaired(body)  # RE2 takes no half characters
        asked = {
            name: through(value, self._change(found), is_text=True) for name, value in body.items() if name in ASKED
        }
        return {**body, **asked}

    def _within_limits(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        for rule in self._rules:
            if rule.kind != MAX_TOKENS:
                continue
            if rule.on == OUTPUT:
                body = self._capped(rule, path, body)
            else:
                self._check_size(rule, body)
        return body

    def _check_size(self, rule: Rule, body: dict[str, Any]) -> None:
        n_chars = 0

        def count(text: str) -> str:
            nonlocal n_chars
            n_chars += len(text)
            return text

        for name in ASKED & body.keys():
            through(body[name], count, is_text=True)
        size = n_chars if rule.unit == CHARACTERS else round(n_chars / CHARS_PER_TOKEN)
        if size > rule.limit:
            self._note(rule, BLOCK)
            about = "" if rule.unit == CHARACTERS else "about "
            raise Refused(rule, f": it has {about}{size:,} {rule.unit}, and {rule.limit:,} are allowed")

    def _capped(self, rule: Rule, path: str, body: dict[str, Any]) -> dict[str, Any]:
        names = LENGTHS.get(path, ())
        given = [name for name in names if isinstance(body.get(name), int)]
        over = [name for name in given if body[name] > rule.limit] if given else list(names[:1])
        if over:
            self._note(rule, "cap")
        return {**body, **dict.fromkeys(over, rule.limit)}

    # --- what comes back

    async def let_out(self, answer: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """An answer as it may go out, also as bytes. One that is refused has no words left, and `problem` says why."""
        found = self._finders(OUTPUT)
        if found:
            answer = await self._searched(len(str(answer)), lambda: self._looked_through(answer, found))
        return answer, packed(repaired(answer))

    def _looked_through(self, answer: dict[str, Any], found: list[Finder]) -> dict[str, Any]:
        try:
            return without_logprobs(through(repaired(answer), self._change(found)))
        except Refused as problem:
            self.problem = problem
            return _without_words(answer)

    async def let_through(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A stream's bytes as they may go out. Raises Withheld."""
        found = self._finders(OUTPUT)
        if not found:
            async for piece in pieces:
                yield piece
            return
        reader, texts = EventReader(), Pieces(lambda _: [self._window(each) for each in found])
        async for piece in pieces:
            out: list[bytes] = []
            try:
                for data in reader.feed(piece):
                    out += self._event(texts, data)
            except Refused as problem:
                yield b"".join(out)  # what came before is nothing to refuse
                raise Withheld(str(problem), paid=None) from None
            yield b"".join(out)

    def _event(self, texts: Pieces, data: bytes) -> tuple[bytes, ...]:
        """One event as it may go out; none where all of its words are held back."""
        try:
            chunk = loaded(data)
        except ValueError:
            return b"data: ", data, b"\n\n"  # `[DONE]`, or what the reader behind refuses
        if not isinstance(chunk, dict):
            return b"data: ", data, b"\n\n"
        passed = texts.passed(repaired(chunk))
        return () if is_held_back(passed) else (b"data: ", packed(passed), b"\n\n")

    def _window(self, finder: Finder) -> Window:
        return Window(finder.spans, self._mark(finder), longest=finder.rule.longest)

    # --- what was kept back

    def restored(self, answer: bytes) -> bytes:
        """A whole answer for the client, with the originals of what was masked on the way in."""
        return packed(through(loaded(answer), self._back, escaped=self._back_escaped))

    def restoring(self) -> Pieces:
        """The same for a stream."""
        return Pieces(lambda is_json: [Window(_kept_back, self._original(is_json), longest=LONGEST_KEPT_BACK)])

    def _back(self, text: str) -> str:
        return marked(text, _kept_back, self._original(False))

    def _back_escaped(self, text: str) -> str:
        return marked(text, _kept_back, self._original(True))

    def _original(self, is_json: bool) -> Mark:
        def original(found: str) -> str:
            text = self._originals.get(found, found)
            return json.dumps(text, ensure_ascii=False)[1:-1] if is_json else text

        return original

    # --- both ways

    async def _searched(self, size: int, search: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return search() if size <= AT_ONCE_CHARS else await asyncio.to_thread(search)

    def _change(self, found: list[Finder]) -> Callable[[str], str]:
        marks = [(each.spans, self._mark(each)) for each in found]

        def change(text: str) -> str:
            for spans, mark in marks:
                text = marked(text, spans, mark)
            return text

        return change

    def _mark(self, finder: Finder) -> Mark:
        rule = finder.rule

        def mark(found: str) -> str:
            self._note(rule, rule.action)
            if rule.action == BLOCK:
                raise Refused(rule)
            return self._numbered(finder.label, found) if rule.restore else f"[{finder.label}]"

        return mark

    def _numbered(self, label: str, found: str) -> str:
        """The same original has the same mark all through a request."""
        if found not in self._marks:
            n = sum(each.startswith(f"[{label}_") for each in self._originals) + 1
            self._marks[found] = f"[{label}_{n}]"
            self._originals[self._marks[found]] = found
        return self._marks[found]

    def _note(self, rule: Rule, action: str) -> None:
        self._done[rule.name, rule.on, action] += 1
        if self._done.total() > MOST_FINDS and action == MASK:
            self._done[rule.name, rule.on, BLOCK] += 1
            raise Refused(rule, f": more than {MOST_FINDS:,} finds")


def _kept_back(text: str, at: int) -> Any:
    return (found.span() for found in _KEPT_BACK.finditer(text, at))


def _without_words(answer: dict[str, Any]) -> dict[str, Any]:
    """What was paid for, and nothing of what was said."""
    told = {name: value for name, value in answer.items() if name in ("id", "object", "created", "model", "usage")}
    message = {"role": "assistant", "content": None}
    return {**told, "choices": [{"index": 0, "finish_reason": "content_filter", "message": message}]}
