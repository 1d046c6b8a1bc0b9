"""Changing what a project's door does, in whole sentences for the diary; masked terms themselves are never told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from netra.errors import Invalid
from projects import audit
from projects.models import Project
from projects.privacy import MASKS, Door

FIELDS = ("is_private", "masks", "masked_terms", "retention_days")
MOST_TERMS, LONGEST_TERM, SHORTEST_TERM = 500, 200, 2
LONGEST_RETENTION_DAYS = 36_500
LONGEST_SAMPLE = 20_000


def change(project: Project, wanted: Mapping[str, Any], *, request: HttpRequest | None = None) -> list[str]:
    """Save those of FIELDS that are given and differ, and note each in the diary; returns the sentences.

    Raises Invalid, naming the field, and then changes nothing.
    """
    checked = {name: _CHECKS[name](wanted[name]) for name in FIELDS if name in wanted}
    changed = {name: value for name, value in checked.items() if value != getattr(project, name)}
    told = [_sentence(name, value) for name, value in changed.items()]
    for name, value in changed.items():
        setattr(project, name, value)
    if changed:
        project.save(update_fields=list(changed))
    for sentence in told:
        audit.note(project, "privacy_changed", sentence, request=request)
    return told


def tried(project: Project, wanted: Mapping[str, Any], sample: str) -> str:
    """How a text would come out under settings that need not be saved. Keeps nothing. Raises Invalid."""
    if len(sample) > LONGEST_SAMPLE:
        raise Invalid(f"Try at most {LONGEST_SAMPLE:,} characters.", field="sample")
    as_wanted = Project(pk=project.pk)
    for name in FIELDS:
        setattr(as_wanted, name, _CHECKS[name](wanted[name]) if name in wanted else getattr(project, name))
    return Door.of(as_wanted).text_let_in(sample)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid("Privacy mode is on or off.", field="is_private")
    return value


def _masks(value: Any) -> list[str]:
    unknown = [str(name)[:40] for name in _listed(value, "masks") if name not in MASKS]
    if unknown:
        raise Invalid(f"There is no mask {unknown[0]!r}; there are {', '.join(MASKS)}.", field="masks")
    return [name for name in MASKS if name in value]


def _terms(value: Any) -> list[str]:
    terms = list(dict.fromkeys(str(term).strip() for term in _listed(value, "masked_terms") if str(term).strip()))
    if len(terms) > MOST_TERMS:
        raise Invalid(f"At most {MOST_TERMS} terms can be masked.", field="masked_terms")
    if any(not SHORTEST_TERM <= len(term) <= LONGEST_TERM for term in terms):
        sentence = f"A masked term has between {SHORTEST_TERM} and {LONGEST_TERM} characters."
        raise Invalid(sentence, field="masked_terms")
    return terms


def _listed(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise Invalid("This should be a list.", field=name)
    return value


def _days(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LONGEST_RETENTION_DAYS:
        sentence = f"Events are kept between 1 and {LONGEST_RETENTION_DAYS:,} days, or, left empty, for good."
        raise Invalid(sentence, field="retention_days")
    return value


_CHECKS = {"is_private": _flag, "masks": _masks, "masked_terms": _terms, "retention_days": _days}


def _sentence(name: str, value: Any) -> str:
    match name:
        case "is_private":
            return f"Turned privacy mode {'on' if value else 'off'}."
        case "masks":
            return f"Masks at the door: {', '.join(MASKS[each].title for each in value) or 'none'}."
        case "masked_terms":
            return f"Own terms masked at the door: {len(value)}."
        case _:
            return f"Keeps events for {value:,} days." if value is not None else "Keeps events for good."
