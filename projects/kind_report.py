"""What is known of a project's kinds of work: figures of each, what joined since, and whether to fit anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from netra.errors import Invalid, NotFound
from projects import kind_vectors, log
from projects.clusters import figures, texts
from projects.clusters.figures import Figures, Seen
from projects.kind_writing import newest_done, shown
from projects.models import EmbeddingDay, KindFit, KindMember, Project, WorkKind

EXAMPLES, SNIPPET_CHARS = 8, 280
OLD = timedelta(days=30)
STRANGE, FEWEST_STRANGE = 0.1, 50  # share of newcomers unlike any kind, from so many newcomers on


@dataclass(frozen=True, slots=True)
class Row:
    """A kind with its figures; `share` of all calls that could be looked at. `kind` None: unlike any kind."""

    kind: WorkKind | None
    figures: Figures
    share: float | None
    cost_share: float | None
    n_arrived: int


@dataclass(frozen=True, slots=True)
class Report:
    """`fit` holds, `newest` is the last one tried; both None before the first."""

    fit: KindFit | None
    newest: KindFit | None
    rows: list[Row]
    strangers: Row | None
    n_arrived: int
    days: list[EmbeddingDay]
    n_left_today: int

    @property
    def current(self) -> KindFit | None:
        """The fit under way."""
        return self.newest if self.newest is not None and not self.newest.is_over else None

    @property
    def failed(self) -> KindFit | None:
        """The last fit, when it failed."""
        return self.newest if self.newest is not None and self.newest.state == KindFit.State.FAILED else None

    @property
    def knows(self) -> dict[str, Any]:
        """Repeats and batches: of the fit that holds, else of one that failed after it had looked at them."""
        for fit in (self.fit, self.failed):
            if fit is not None and fit.report:
                return dict(fit.report)
        return {}

    @property
    def stranger_share(self) -> float | None:
        """Of newcomers, those unlike any kind."""
        if not self.n_arrived:
            return None
        return (self.strangers.n_arrived if self.strangers else 0) / self.n_arrived

    @property
    def why_anew(self) -> str:
        """Why to fit again; empty when there is no reason."""
        if self.fit is None:
            return ""
        if self.n_arrived >= FEWEST_STRANGE and (self.stranger_share or 0) > STRANGE:
            return f"{100 * (self.stranger_share or 0):.0f} % of the calls that came since are unlike any kind."
        if self.fit.finished_at and timezone.now() - self.fit.finished_at > OLD:
            return f"These kinds are older than {OLD.days} days."
        return ""


def report(project: Project, quality: Mapping[str, float] | None = None) -> Report:
    """`quality` in [0, 1] by event id, where somebody above judges answers."""
    fit = newest_done(project)
    rows = _rows(fit, quality) if fit is not None else []
    return Report(
        fit=fit,
        newest=KindFit.objects.filter(project=project).first(),
        rows=[row for row in rows if row.kind is not None],
        strangers=next((row for row in rows if row.kind is None), None),
        n_arrived=sum(row.n_arrived for row in rows),
        days=kind_vectors.days(project),
        n_left_today=kind_vectors.left(project),
    )


def _rows(fit: KindFit, quality: Mapping[str, float] | None) -> list[Row]:
    """The dearest first; where no cost is known, the largest."""
    kinds = {kind.number: kind for kind in fit.kinds.all()}
    members: dict[int | None, list[KindMember]] = defaultdict(list)
    for member in KindMember.objects.filter(fit=fit):
        members[member.number].append(member)
    told = {number: figures.figures(_seen(mine), quality) for number, mine in members.items()}
    n_calls = sum(each.n_calls for each in told.values())
    total = sum((each.cost_usd for each in told.values() if each.cost_usd is not None), Decimal(0))
    rows = [
        Row(
            kind=kinds.get(number) if number is not None else None,
            figures=each,
            share=each.n_calls / n_calls if n_calls else None,
            cost_share=float(each.cost_usd / total) if each.cost_usd is not None and total else None,
            n_arrived=sum(member.is_arrival for member in members[number]),
        )
        for number, each in told.items()
    ]
    return sorted(rows, key=lambda row: (-(row.cost_share or 0), -(row.share or 0)))


def _seen(members: Sequence[KindMember]) -> list[Seen]:
    return [Seen(each.event_id, each.stands_for, each.cost_usd, each.duration_ms) for each in members]


@dataclass(frozen=True, slots=True)
class Example:
    """A call of a kind; `snippet` of what was asked, without what looks personal."""

    event_id: str
    started_at: Any
    similarity: float
    snippet: str


def one(project: Project, number: int, quality: Mapping[str, float] | None = None) -> tuple[Report, Row]:
    """The report, and the row of one kind. Raises NotFound."""
    told = report(project, quality)
    row = next((row for row in told.rows if row.kind is not None and row.kind.number == number), None)
    if row is None:
        raise NotFound("There is no such kind of work in this project.")
    return told, row


def examples(project: Project, kind: WorkKind | None, fit: KindFit) -> tuple[list[Example], list[Example]]:
    """Calls most like their kind, and those least like it; of no kind, those most unlike any."""
    members = KindMember.objects.filter(fit=fit, number=kind.number if kind else None)
    typical = list(members.order_by("-similarity", "id")[:EXAMPLES]) if kind else []
    fringe = members.exclude(pk__in=[each.pk for each in typical]).order_by("similarity", "id")[:EXAMPLES]
    return _examples(project, typical), _examples(project, list(fringe))


def _examples(project: Project, members: Sequence[KindMember]) -> list[Example]:
    """Calls that are still in the log."""
    if not members:
        return []
    times = [each.started_at for each in members]
    found = log.requests(project.pk, [each.event_id for each in members], within=(min(times), max(times)))
    return [
        Example(each.event_id, each.started_at, each.similarity, _snippet(found[each.event_id]["request"]))
        for each in members
        if each.event_id in found
    ]


def _snippet(request: Any) -> str:
    asked = " ".join(texts.prompt(request).asked.split())
    return shown(asked[:SNIPPET_CHARS] + ("…" if len(asked) > SNIPPET_CHARS else ""))


def rename(project: Project, number: int, name: str) -> WorkKind:
    """Give a kind the name people use; later fits keep it. Raises NotFound, Invalid."""
    fit = newest_done(project)
    kind = fit.kinds.filter(number=number).first() if fit else None
    if fit is None or kind is None:
        raise NotFound("There is no such kind of work in this project.")
    plain = " ".join("".join(each if each.isprintable() else " " for each in name).split())
    if not 1 <= len(plain) <= WorkKind.LONGEST_NAME:
        raise Invalid(f"A name has between 1 and {WorkKind.LONGEST_NAME} characters.", field="name")
    if fit.kinds.exclude(pk=kind.pk).filter(name=plain).exists():
        raise Invalid("Another kind of work has this name already.", field="name")
    kind.name, kind.named_by = plain, WorkKind.NamedBy.PERSON
    kind.save(update_fields=["name", "named_by"])
    return kind
