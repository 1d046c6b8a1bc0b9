"""From a finished run to a recommendation: computed from its evidence pack, kept with it, acknowledged by a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from evaluation import packing
from evaluation.answers import Paired
from evaluation.evidence import decision_of, pairs_of, sealed, sha256
from evaluation.findings import Decision, Finding
from evaluation.models import EvaluationRun, Recommendation
from netra.errors import Conflict
from projects.models import User
from routing import beliefs, predictor

VALID_FOR = timedelta(days=30)
State = EvaluationRun.State


def generate(run: EvaluationRun) -> Recommendation:
    """Decide on everything a run has gathered. The verdict is computed from the pack, so the pack proves it.

    The same evidence gives the same recommendation, not a second one. Raises Conflict while nothing was drawn.
    """
    if run.plan is None:
        raise Conflict("This run has not begun, so there is nothing to decide on.")
    pack = packing.content(run)
    paired = pairs_of(pack)
    decision = decision_of(pack, paired)
    pack["pairs"] = {option: [pair.to_dict() for pair in found.pairs] for option, found in paired.items()}
    pack["decision"] = decision.to_dict()
    made = _keep(run, decision, shown(decision, paired), sealed(pack))
    _teach(run, decision)
    _hand_down(run, pack, paired)
    return made


def _teach(run: EvaluationRun, decision: Decision) -> None:
    """What live routing may go by: the interval of quality, or no trust at all where another gate failed."""
    for finding in decision.findings:
        quality = finding.gate("quality")
        if quality is None or quality.estimate is None or quality.low is None or quality.high is None:
            continue
        is_barred = any(gate.is_failed for gate in finding.gates if gate.name not in ("cost", "saving"))
        beliefs.learn(
            run.project,
            finding.candidate,
            run.incumbent,
            mean=quality.estimate,
            low=-1.0 if is_barred else quality.low,
            high=-1.0 if is_barred else quality.high,
            n=finding.n,
            source=f"evaluation {run.pk}",
        )


def _hand_down(run: EvaluationRun, pack: dict[str, Any], paired: dict[str, Paired]) -> None:
    """Every pair that was scored in both lanes, for the predictor of live routing to learn from."""
    event_ids = {prompt["position"]: prompt["event_id"] for prompt in pack["prompts"]}
    rows = [
        predictor.Judged(
            event_ids[position],
            option,
            pair.candidate.quality - pair.incumbent.quality,
            default_quality=pair.incumbent.quality,
        )
        for option, found in paired.items()
        for position, pair in zip(found.positions, found.pairs, strict=True)
        if pair.candidate.quality is not None and pair.incumbent.quality is not None
    ]
    predictor.learn(run.project, rows, default=run.incumbent, source=f"evaluation {run.pk}")


@transaction.atomic
def _keep(run: EvaluationRun, decision: Decision, as_shown: dict[str, Any], text: str) -> Recommendation:
    digest = sha256(text)
    known = Recommendation.objects.filter(run=run, pack_sha256=digest).first()
    made = known or Recommendation.objects.create(
        project=run.project,
        run=run,
        verdict=decision.verdict or Recommendation.Verdict.NO_RECOMMENDATION,
        incumbent=run.incumbent,
        candidate=decision.candidate or "",
        sentence=sentence(run.incumbent, decision),
        reasons=as_shown["reasons"],
        decision=as_shown,
        pack=text,
        pack_sha256=digest,
        expires_at=timezone.now() + VALID_FOR,
    )
    done = EvaluationRun.objects.filter(pk=run.pk, state=State.DECIDING)
    done.update(state=State.DONE, finished_at=timezone.now(), decision=as_shown)
    return made


def shown(decision: Decision, paired: dict[str, Paired]) -> dict[str, Any]:
    """The decision with its most telling pairs named by their place in the sample, which pages can look up."""
    told = decision.to_dict()
    for finding in told["findings"]:
        positions = paired[finding["candidate"]].positions
        finding["influential"] = [positions[place] for place in finding["influential"]]
    return told


def sentence(incumbent: str, decision: Decision) -> str:
    """The verdict in one sentence with its numbers."""
    finding = decision.finding(decision.candidate) if decision.candidate else None
    if decision.verdict == "SWITCH" and finding is not None:
        return f"Switch from {incumbent} to {finding.candidate}: {_numbers(finding)}."
    if decision.verdict == "KEEP":
        return f"Keep {incumbent}: no candidate holds up. {_because(decision)}".strip()
    return f"No recommendation. {_because(decision)}".strip()


def _numbers(finding: Finding) -> str:
    quality, saving = finding.gate("quality"), finding.gate("cost") or finding.gate("saving")
    parts = []
    if quality is not None and quality.estimate is not None:
        parts.append(f"quality differs by {100 * quality.estimate:+.1f} points{_interval(quality.low, quality.high)}")
    if saving is not None and saving.estimate is not None:
        parts.append(f"the objective is better by {100 * saving.estimate:.0f} %")
    return f"over {finding.n} pairs {' and '.join(parts) or 'every gate is passed'}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"


def _because(decision: Decision) -> str:
    return " ".join(reason.sentence for reason in decision.reasons[:3])


def acknowledge(recommendation: Recommendation, *, by: User | None, note: str = "") -> Recommendation:
    """A person has seen it. That is all: nothing is switched. Raises Conflict when somebody has already."""
    unseen = Recommendation.objects.filter(pk=recommendation.pk, acknowledged_at=None)
    if not unseen.update(acknowledged_by=by, acknowledged_at=timezone.now(), note=note[:4000]):
        raise Conflict("This recommendation is acknowledged already.")
    recommendation.refresh_from_db()
    return recommendation
