"""The door of a project: what may come in as it is, masked, or only as keyed hashes; before any queue or disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netra import vault
from projects.models import Project
from projects.workloads import WorkloadEvent

PRIVATE, MASKED = "private", "pii_masked"
# Structure, not text: what these hold says how a call was made, not what was said in it.
_STRUCTURAL = frozenset(
    {
        *("role", "type", "model", "object", "finish_reason", "id", "call_id", "tool_call_id", "service_tier"),
        *("reasoning_effort", "verbosity", "tool_choice", "system_fingerprint", "status", "code", "detail", "format"),
    }
)
_HASHED = re.compile(r"hash:[0-9a-f]{24}:\d{1,12}")
_PERSON = re.compile(r"person-[0-9a-f]{20}")
_TELLING_METADATA = frozenset(
    {
        *("feature", "task", "prompt_name", "kind", "env", "environment"),
        *("guardrail", "guardrail_on", "guardrail_action"),
    }
)


@dataclass(frozen=True, slots=True)
class Mask:
    """One kind of personal data: how it looks, and a check that keeps look-alikes."""

    title: str
    pattern: re.Pattern[str]
    is_meant: Callable[[str], bool] = lambda _: True

    def over(self, text: str, marker: str) -> str:
        """The text with every find replaced."""
        return self.pattern.sub(lambda found: marker if self.is_meant(found[0]) else found[0], text)


def _luhn(text: str) -> bool:
    """ISO/IEC 7812: from the right every second digit doubled, cross sums added, divisible by ten."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = [each * 2 - 9 * (each > 4) if n % 2 else each for n, each in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and sum(doubled) % 10 == 0 and len(set(digits)) > 1


def _iban(text: str) -> bool:
    """ISO 13616: the first four characters to the end, letters as 10 … 35, remainder 1 modulo 97."""
    plain = text.replace(" ", "").upper()
    return 15 <= len(plain) <= 34 and int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


def _phone(text: str) -> bool:
    return 8 <= sum(each.isdigit() for each in text) <= 15


def _ipv4(text: str) -> bool:
    return all(int(part) < 256 for part in text.split("."))


# Bounded repetitions only, so that no text makes a pattern slow.
MASKS: dict[str, Mask] = {
    "email": Mask("e-mail addresses", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")),
    "secret": Mask(
        "API keys and tokens",
        re.compile(
            r"\b(?:sk|pk|rk)[-_][\w-]{16,200}|\bAKIA[0-9A-Z]{16}\b|\bgh[opsu]_\w{20,255}|\bxox[abprs]-[\w-]{10,200}"
            r"|\beyJ[\w-]{8,2000}\.[\w-]{8,4000}\.[\w-]{8,1000}|-----BEGIN [A-Z ]{1,30}PRIVATE KEY-----"
        ),
    ),
    "iban": Mask("bank accounts (IBAN)", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b"), _iban),
    "card": Mask("payment cards", re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)"), _luhn),
    "us_ssn": Mask("US social security numbers", re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-\d{2}-\d{4}(?![\d-])")),
    "ip": Mask("IP addresses", re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])"), _ipv4),
    "phone": Mask("telephone numbers", re.compile(r"(?<![\w.])(?:\+|00)\d(?:[ ().-]{0,2}\d){7,14}(?!\d)"), _phone),
}


@dataclass(frozen=True, slots=True)
class Door:
    """What a project lets in. `let_in` gives the event as it may be kept."""

    project_id: int
    is_private: bool = False
    masks: Sequence[Mask] = ()
    names: Sequence[str] = ()
    terms: re.Pattern[str] | None = None

    @classmethod
    def of(cls, project: Project) -> Door:
        """The door as the project's settings have it. Masks that are no longer known are left out."""
        names = [name for name in MASKS if name in project.masks]
        words = sorted({word for word in project.masked_terms if word.strip()}, key=len, reverse=True)
        terms = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None
        return cls(project.pk, project.is_private, [MASKS[name] for name in names], names, terms)

    @property
    def changes_texts(self) -> bool:
        return self.is_private or bool(self.masks) or self.terms is not None

    def let_in(self, event: WorkloadEvent) -> WorkloadEvent:
        """The event, masked or hashed; untouched where the project asks for neither."""
        if self.is_private:
            return self._hashed(event)
        return self._masked(event) if self.changes_texts else event

    def text_let_in(self, text: str) -> str:
        """A single text as it would be kept."""
        return self._hash(text) if self.is_private else self.masked_text(text)

    def masked_text(self, text: str) -> str:
        """A text with each find replaced by its kind in brackets."""
        for name, mask in zip(self.names, self.masks, strict=True):
            text = mask.over(text, f"[{name}]")
        return text if self.terms is None else self.terms.sub("[term]", text)

    def _masked(self, event: WorkloadEvent) -> WorkloadEvent:
        fields = {name: _through(getattr(event, name), self.masked_text) for name in ("request", "response")}
        fields["metadata"] = _through(event.metadata, self.masked_text)
        if event.user_id and self.masked_text(event.user_id) != event.user_id:
            fields["user_id"] = person(self.project_id, event.user_id)
        if all(fields[name] == getattr(event, name) for name in fields):
            return event
        return replace(event, **fields, flags=event.flags | {MASKED})

    def _hashed(self, event: WorkloadEvent) -> WorkloadEvent:
        hashed = {name: _through(getattr(event, name), self._hash, _STRUCTURAL) for name in ("request", "response")}
        metadata = _through(event.metadata, self._hash, _TELLING_METADATA)
        user_id = person(self.project_id, event.user_id) if event.user_id else None
        return replace(event, **hashed, metadata=metadata, user_id=user_id, flags=event.flags | {PRIVATE})

    def _hash(self, text: str) -> str:
        """The same text gives the same hash, so that repetition still shows; its length stays, for sizes."""
        if not text or _HASHED.fullmatch(text):  # what was exported in privacy mode comes back as it was
            return text
        return f"hash:{vault.keyed_hash(text, purpose=f'project {self.project_id}')[:24]}:{len(text)}"


def person(project_id: int, user_id: str) -> str:
    """What a person's id becomes: the same for the same person, and no way back. What it became stays as it is."""
    if _PERSON.fullmatch(user_id):
        return user_id
    return f"person-{vault.keyed_hash(user_id, purpose=f'project {project_id}')[:20]}"


def _through(value: Any, change: Callable[[str], str], kept: Iterable[str] = ()) -> Any:
    """The same shape with every text changed, but for those under a key that is kept."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {
            name: part if name in kept and not isinstance(part, (dict, list)) else _through(part, change, kept)
            for name, part in value.items()
        }
    return [_through(part, change, kept) for part in value] if isinstance(value, (list, tuple)) else value
