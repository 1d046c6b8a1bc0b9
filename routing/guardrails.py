"""Guardrails as people write them: checked at the field, and turned into what finds things in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import re2

from netra.errors import Invalid
from projects.privacy import MASKS, Door

REGEX, PII, MAX_TOKENS = "regex", "pii", "max_tokens"
INPUT, OUTPUT = "input", "output"
BLOCK, MASK = "block", "mask"
TOKENS, CHARACTERS = "tokens", "characters"
MOST_RULES = 20
MOST_PATTERN_CHARS = 500
# Steps of the compiled pattern: matching takes at most so many a character.
MOST_STEPS = 2_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_ -]{0,39}", re.IGNORECASE)
_WHOLE = {"longest": (16, 4_000), "limit": (1, 10_000_000)}
_CHOICES = {"kind": (REGEX, PII, MAX_TOKENS), "on": (INPUT, OUTPUT), "action": (BLOCK, MASK)}


@dataclass(frozen=True, slots=True)
class Rule:
    """One guardrail. `longest`: of finds in a stream, in characters. `restore`: the answer gets the originals back."""

    name: str
    kind: str
    on: str = INPUT
    action: str = BLOCK
    pattern: str = ""
    kinds: tuple[str, ...] = ()
    restore: bool = False
    longest: int = 200
    limit: int = 0
    unit: str = TOKENS


@dataclass(frozen=True, slots=True)
class Finder:
    """What one rule looks for; `label` stands in brackets for a find that is masked."""

    rule: Rule
    label: str
    _find: Any

    def spans(self, text: str, at: int = 0) -> Iterator[tuple[int, int]]:
        """Where the finds lie from `at` on, in order, none of them empty."""
        for found in self._find(text, at):
            begin, end = found.span()
            if end > begin:
                yield begin, end


def finders(rule: Rule, door: Door) -> list[Finder]:
    """A rule's finders, in the order they are applied. The project's own terms are personal data too."""
    if rule.kind == REGEX:
        return [Finder(rule, rule.name, compiled(rule.pattern).finditer)]
    if rule.kind != PII:
        return []
    found = [Finder(rule, name, _meant(name)) for name in rule.kinds or MASKS]
    return [*found, Finder(rule, "term", door.terms.finditer)] if door.terms is not None else found


def _meant(name: str) -> Any:
    mask = MASKS[name]

    def find(text: str, at: int) -> Iterator[re.Match[str]]:
        return (found for found in mask.pattern.finditer(text, at) if mask.is_meant(found[0]))

    return find


@lru_cache(maxsize=2_000)
def compiled(pattern: str) -> Any:
    """An RE2 pattern: time grows with the text alone, whatever the pattern (Cox 2007). Raises Invalid."""
    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile(pattern, options)
    except re2.error as problem:
        said = problem.args[0].decode(errors="replace") if isinstance(problem.args[0], bytes) else str(problem)
        raise Invalid(f"The pattern cannot be used: {said}. See RE2's syntax.", field="pattern") from None
    if found.programsize > MOST_STEPS:
        raise Invalid("The pattern is too large; repeat less often, or split it into two rules.", field="pattern")
    if found.search("") is not None:
        raise Invalid("The pattern matches the empty text, so it would be found everywhere.", field="pattern")
    return found


def as_rules(told: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """The rules that were kept by `checked`."""
    return tuple(Rule(**{**each, "kinds": tuple(each.get("kinds", ()))}) for each in told)


def checked(told: Any) -> list[dict[str, Any]]:
    """A list of rules in their plain form. Raises Invalid with the field and the rule's place in the list."""
    if not isinstance(told, list) or not all(isinstance(each, Mapping) for each in told):
        raise Invalid("guardrails must be a list of rules.", field="guardrails")
    if len(told) > MOST_RULES:
        raise Invalid(f"A project has at most {MOST_RULES} guardrails.", field="guardrails")
    rules = [_numbered(place, each) for place, each in enumerate(told, start=1)]
    names = [rule.name for rule in rules]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise Invalid(f"Two rules are called {doubled[0]!r}; counts are told by name.", field="name")
    return [{**asdict(rule), "kinds": list(rule.kinds)} for rule in rules]


def _numbered(place: int, told: Mapping[str, Any]) -> Rule:
    try:
        return rule(told)
    except Invalid as problem:
        raise Invalid(f"Rule {place}: {problem}", field=problem.field) from None


def rule(told: Mapping[str, Any]) -> Rule:
    """One rule. Raises Invalid, naming the field."""
    if unknown := sorted(set(told) - set(Rule.__dataclass_fields__)):
        raise Invalid(f"{unknown[0]!r} is nothing that a rule has.", field=unknown[0])
    for name, allowed in _CHOICES.items():
        if name in told and told[name] not in allowed:
            raise Invalid(f"{name} must be one of {', '.join(allowed)}.", field=name)
    for name, (low, high) in _WHOLE.items():
        value = told.get(name) or low
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Invalid(f"{name} must be a whole number from {low:,} to {high:,}.", field=name)
    found = Rule(**{"kind": "", **told, "name": _name(told.get("name")), "kinds": _kinds(told.get("kinds"))})
    return _of_its_kind(found)


def _of_its_kind(rule: Rule) -> Rule:
    """The same with what its kind needs checked."""
    if rule.kind == REGEX:
        if not isinstance(rule.pattern, str) or not 1 <= len(rule.pattern) <= MOST_PATTERN_CHARS:
            raise Invalid(f"A regex rule needs a pattern of at most {MOST_PATTERN_CHARS} characters.", field="pattern")
        compiled(rule.pattern)
    elif rule.kind == MAX_TOKENS:
        if not rule.limit:
            raise Invalid("A max_tokens rule needs a limit.", field="limit")
        if rule.unit not in (TOKENS, CHARACTERS) or (rule.unit == CHARACTERS and rule.on == OUTPUT):
            raise Invalid("unit is tokens, or characters on input.", field="unit")
    elif rule.kind != PII:
        raise Invalid(f"kind must be one of {REGEX}, {PII}, {MAX_TOKENS}.", field="kind")
    if rule.restore and not (rule.kind == PII and rule.on == INPUT and rule.action == MASK):
        raise Invalid("Only what a pii rule masks on input can be restored in the answer.", field="restore")
    return rule


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Invalid("A rule needs a name of letters, digits, spaces, - and _, at most 40 characters.", field="name")
    return value


def _kinds(value: Any) -> tuple[str, ...]:
    known = isinstance(value, (list, tuple)) and all(isinstance(each, str) and each in MASKS for each in value)
    if value and not known:
        raise Invalid(f"kinds are of {', '.join(MASKS)}.", field="kinds")
    return tuple(dict.fromkeys(value or ()))
