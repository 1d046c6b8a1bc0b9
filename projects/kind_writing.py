"""What a fit found, matched with the fit before and named, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.module_loading import import_string

from projects.clusters import grouping, matching, naming, shapes, texts
from projects.clusters.grouping import NONE, Groups, Labels, Vectors
from projects.clusters.shapes import Shape
from projects.kind_sample import Drawn
from projects.models import KindFit, KindMember, Project, WorkKind
from projects.privacy import MASKS

KEPT_FITS = 10
WORDS_OF = 200  # prompts of a kind that its name and its templates are found in


@dataclass(frozen=True, slots=True)
class Embedded:
    """Calls with their texts and the vectors of these; `system` None where instructions do not differ."""

    drawn: Sequence[Drawn]
    asked: Sequence[str]
    instructed: Sequence[str]
    asked_vectors: Vectors
    system_vectors: Vectors | None

    def vectors(self, *, is_with_system: bool) -> Vectors:
        if not is_with_system:
            return self.asked_vectors
        assert self.system_vectors is not None
        return grouping.joined(self.asked_vectors, self.system_vectors)

    def digests(self) -> list[str]:
        return [texts.digest(asked, system) for asked, system in zip(self.asked, self.instructed, strict=True)]


def newest_done(project: Project) -> KindFit | None:
    """The fit that holds."""
    return KindFit.objects.done().filter(project=project).first()


def groups_of(kinds: Sequence[WorkKind], fit: KindFit) -> Groups:
    """The kinds of a fit as they were found."""
    centres = [np.frombuffer(bytes(kind.centre), dtype="<f4") for kind in kinds]
    stacked = np.stack(centres).astype(np.float32) if centres else np.zeros((0, 1), dtype=np.float32)
    radii = np.asarray([kind.radius for kind in kinds], dtype=np.float32)
    return Groups(stacked, radii, fit.cut or 0.0, fit.agreement)


def keep(fit: KindFit, embedded: Embedded, groups: Groups) -> None:
    """Write the kinds and members, and let this fit hold. Nothing is written when it was cancelled meanwhile."""
    labels, similarity = groups.nearest(embedded.vectors(is_with_system=fit.is_with_system))
    kept = _known_again(fit, embedded, groups, labels)
    numbers, kinds = _kinds(fit, embedded, groups, labels, kept)
    fit.cut, fit.agreement = groups.cut, groups.agreement
    with transaction.atomic():
        if not KindFit.objects.filter(pk=fit.pk, state=KindFit.State.RUNNING).exists():
            return
        fit.kinds.all().delete()
        fit.members.all().delete()
        WorkKind.objects.bulk_create(kinds)
        theirs = [None if at == NONE else numbers[at] for at in labels.tolist()]
        write_members(fit, embedded, theirs, similarity.tolist())
        fit.state, fit.finished_at, fit.heartbeat_at, fit.step = KindFit.State.DONE, timezone.now(), None, ""
        fit.save()
        _forget_older(fit)


def _known_again(fit: KindFit, embedded: Embedded, groups: Groups, labels: Labels) -> dict[int, WorkKind]:
    """Which new groups are kinds of the fit before; also says what share of the calls stays where it was."""
    before = newest_done(fit.project)
    if before is None or before.embedding_model != settings.EMBEDDING_MODEL:
        return {}
    kinds = list(before.kinds.all())
    old_groups, weights = groups_of(kinds, before), np.asarray([each.stands_for for each in embedded.drawn])
    old, _ = old_groups.nearest(embedded.vectors(is_with_system=before.is_with_system))
    is_comparable = before.is_with_system == fit.is_with_system
    centres = groups.centres if is_comparable else np.zeros((len(groups.centres), old_groups.centres.shape[1]))
    same = matching.matched(old, labels, weights, old_groups.centres, centres.astype(np.float32))
    fit.kept_share = matching.kept_share(old, labels, weights, same)
    return {new: kinds[at] for new, at in same.items()}


def _kinds(
    fit: KindFit, embedded: Embedded, groups: Groups, labels: Labels, kept: dict[int, WorkKind]
) -> tuple[list[int], list[WorkKind]]:
    """Rows of the groups. One that is known again keeps its number and its name; a new one gets the next."""
    highest = WorkKind.objects.filter(fit__project=fit.project).aggregate(n=Max("number"))["n"] or 0
    said = [_words(embedded, np.flatnonzero(labels == at).tolist()) for at in range(len(groups.centres))]
    found = naming.terms([[texts.spoken(text) for text in each] for each in said])
    is_first = newest_done(fit.project) is None
    numbers, made = [], []
    drawn = [shapes.shapes(texts_) for texts_ in said]
    fresh = _named(fit, {at: (found[at], drawn[at]) for at in range(len(found)) if at not in kept}, _names(kept))
    for at, centre in enumerate(groups.centres):
        old = kept.get(at)
        highest += old is None
        numbers.append(old.number if old else highest)
        made.append(
            WorkKind(
                fit=fit,
                number=numbers[-1],
                name=old.name if old else fresh[at][0],
                named_by=old.named_by if old else fresh[at][1],
                is_new=old is None and not is_first,
                terms=found[at],
                shapes=[asdict(shape) for shape in drawn[at]],
                centre=np.asarray(centre, dtype="<f4").tobytes(),
                radius=float(groups.radii[at]),
            )
        )
    return numbers, made


def _named(
    fit: KindFit, fresh: dict[int, tuple[list[str], list[Shape]]], taken: list[str]
) -> dict[int, tuple[str, str]]:
    """Names of new kinds and who gave them: a model where one is configured and says something usable, else terms."""
    described = [", ".join(terms) + _template(drawn) for terms, drawn in fresh.values()]
    namer = import_string(settings.KIND_NAMER)
    said: list[str | None] = namer(fit.project_id, described, key=f"kind-names-{fit.pk}")
    wanted = [[name] if name else terms for name, (terms, _) in zip(said, fresh.values(), strict=True)]
    by = [WorkKind.NamedBy.MODEL if name else WorkKind.NamedBy.TERMS for name in said]
    return dict(zip(fresh, zip(naming.names(wanted, taken), by, strict=True), strict=True))


def _template(drawn: list[Shape]) -> str:
    return "" if not drawn else "; " + "".join(f"[{text}]" if place else text for text, place in drawn[0].pieces)


def _names(kept: dict[int, WorkKind]) -> list[str]:
    return [kind.name for kind in kept.values()]


def _words(embedded: Embedded, places: Sequence[int]) -> list[str]:
    """Some prompts of a group, evenly spread, with what looks personal taken out."""
    chosen = places[:: max(1, len(places) // WORDS_OF)][:WORDS_OF]
    return [shown(embedded.asked[at]) for at in chosen]


def shown(text: str) -> str:
    """A text as it may be shown beside others': without personal data, keys and control characters."""
    for name, mask in MASKS.items():
        text = mask.over(text, f"[{name}]")
    return "".join(each if each.isprintable() or each == "\n" else " " for each in text)


def write_members(
    fit: KindFit,
    embedded: Embedded,
    numbers: Sequence[int | None],
    similarity: Sequence[float],
    *,
    is_arrival: bool = False,
) -> None:
    rows = zip(embedded.drawn, embedded.digests(), numbers, similarity, strict=True)
    KindMember.objects.bulk_create(
        (
            KindMember(
                fit=fit,
                number=number,
                event_id=each.row["event_id"],
                started_at=each.row["started_at"],
                text_digest=digest,
                similarity=float(alike),
                stands_for=each.stands_for,
                is_arrival=is_arrival,
                cost_usd=each.row["cost_usd"],
                duration_ms=each.row["duration_ms"],
            )
            for each, digest, number, alike in rows
        ),
        batch_size=500,
        ignore_conflicts=True,
    )


def _forget_older(fit: KindFit) -> None:
    """Members are of the fit that holds; older fits keep their kinds for a while, and then go."""
    older = KindFit.objects.filter(project=fit.project).exclude(pk=fit.pk)
    KindMember.objects.filter(fit__in=older).delete()
    KindFit.objects.filter(pk__in=list(older.values_list("pk", flat=True)[KEPT_FITS:])).delete()
