"""The evidence pack: everything a verdict rests on, in one canonical JSON, and its recomputation. Pure: no database.

`verify` goes the whole way again: raw verdict → score → pair → decision, and compares each step to the byte.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from evaluation.answers import Answer, Paired, Prompt, pair_up, usable
from evaluation.decision import Decision, decide
from evaluation.paired import Plan
from evaluation.rubrics import RUBRICS, Unreadable, read_preference, read_score
from evaluation.trust import Comparison, Label, trust

FORMAT = "netra-evidence/1"


class NotAPack(Exception):
    """The file is no evidence pack; the sentence says why."""


def canonical(value: Any) -> str:
    """One text for one value: keys sorted, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sealed(content: Mapping[str, Any]) -> str:
    """The pack as text: its content, and the digest of that content."""
    return canonical({**content, "digest": sha256(canonical(content))})


def without_words(text: str, call_keys: Collection[str]) -> str:
    """The pack without what judges wrote of answers whose calls were deleted; their scores stay, and are named there.

    The digest of the pack as it was first sealed is kept in it.
    """
    pack = json.loads(text)
    told = [row for rows in ("verdicts", "preferences") for row in pack[rows]]
    emptied = sorted(row["call_key"] for row in told if row["call_key"] in call_keys and row["raw"] is not None)
    if not emptied:
        return text
    for row in told:
        row["raw"] = None if row["call_key"] in call_keys else row["raw"]
    first = pack.get("first_digest") or pack["digest"]
    known = pack.get("words_deleted", [])
    content = {name: value for name, value in pack.items() if name != "digest"}
    return sealed({**content, "words_deleted": sorted({*known, *emptied}), "first_digest": first})


@dataclass(slots=True)
class Report:
    """What a verification looked at, and what did not agree."""

    verdict: str = ""
    checked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many checks of each kind were made."""
        return dict(Counter(re.split(r" of (?!the )", what, maxsplit=1)[0] for what in self.checked))

    def check(self, what: str, found: Any, stated: Any) -> None:
        self.checked.append(what)
        if canonical(found) != canonical(stated):
            self.problems.append(f"{what}: the pack does not say what its own evidence gives.")


def opened(text: str) -> dict[str, Any]:
    """Parse a pack. Raises NotAPack."""
    try:
        pack = json.loads(text)
    except (ValueError, RecursionError):
        raise NotAPack("This is not JSON.") from None
    if not isinstance(pack, dict) or pack.get("format") != FORMAT:
        raise NotAPack(f"This is not an evidence pack of the format {FORMAT}.")
    return pack


def verify(text: str, *, sha256_noted: str = "") -> Report:
    """Recompute the verdict of a pack from what judges and meters said. Raises NotAPack for what is no pack.

    A forger can recompute a whole pack; `sha256_noted`, the hash shown beside the recommendation, rules that out.
    """
    pack = opened(text)
    stated = pack.get("decision")
    report = Report(verdict=str(stated.get("verdict") if isinstance(stated, dict) else None))
    if sha256_noted:
        report.check("hash of the file", sha256(text), sha256_noted)
    for step in (_check_bytes, _check_rubrics, _check_scores, _check_decision):
        try:
            step(pack, text, report)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as problem:
            report.problems.append(f"{step.__name__[7:]}: cannot be recomputed ({type(problem).__name__}: {problem}).")
    return report


def _check_bytes(pack: dict[str, Any], text: str, report: Report) -> None:
    content = {name: value for name, value in pack.items() if name != "digest"}
    report.check("digest of the content", sha256(canonical(content)), pack["digest"])
    report.check("canonical form", sealed(content), text.strip())


def _check_rubrics(pack: dict[str, Any], _text: str, report: Report) -> None:
    """A pack made with rubrics that have changed since says so; its verdicts stay readable by their own text."""
    for identity, said in pack["rubrics"].items():
        dimension = identity.split("/", 1)[0]
        if RUBRICS[dimension].identity == identity:
            report.check(f"text of the rubric {identity}", RUBRICS[dimension].text, said["text"])


def _check_scores(pack: dict[str, Any], _text: str, report: Report) -> None:
    readers: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
        ("verdicts", "score", lambda raw: read_score(raw).score),
        ("preferences", "winner_place", lambda raw: read_preference(raw).winner),
    )
    deleted = frozenset(pack.get("words_deleted", ()))
    for rows, name, read in readers:
        for row in pack[rows]:
            if row["call_key"] in deleted and row["raw"] is None:
                continue
            report.check(f"{name} of {row['call_key']}", _reread(read, row), row[name])


def _reread(read: Callable[[str], Any], row: Mapping[str, Any]) -> Any:
    if row["raw"] is None:
        return None
    try:
        return read(row["raw"])
    except Unreadable:
        return None


def _check_decision(pack: dict[str, Any], _text: str, report: Report) -> None:
    paired = pairs_of(pack)
    for option, found in paired.items():
        report.check(f"pairs of {option}", [pair.to_dict() for pair in found.pairs], pack["pairs"][option])
    report.check("candidates", sorted(paired), sorted(pack["pairs"]))
    report.check("decision", decision_of(pack, paired).to_dict(), pack["decision"])


def pairs_of(pack: Mapping[str, Any]) -> dict[str, Paired]:
    """Every candidate's pairs, from the answers and verdicts of a pack."""
    gathered = _answers(pack)
    plan = Plan.from_dict(pack["plan"])
    order = usable([_prompt(each) for each in pack["prompts"]], gathered)[: plan.max_pairs]
    incumbent = gathered.get(pack["run"]["incumbent"], {})
    return {option: pair_up(order, incumbent, gathered.get(option, {})) for option in plan.candidates}


def decision_of(pack: Mapping[str, Any], paired: Mapping[str, Paired]) -> Decision:
    """The last look at a run: no further pair will come."""
    around = pack["circumstances"]
    return decide(
        Plan.from_dict(pack["plan"]),
        {option: found.pairs for option, found in paired.items()},
        judge_trust=trust(
            _answers(pack), paired, pack["run"]["incumbent"], list(_comparisons(pack)), list(_labels(pack))
        ),
        spent_usd=_money(around["charged_at_most_usd"]),
        budget_usd=_money(around["budget_usd"]),
        more_available=False,
    )


def _answers(pack: Mapping[str, Any]) -> dict[str, dict[int, Answer]]:
    scores: dict[str, dict[tuple[str, str], float | None]] = defaultdict(dict)
    for verdict in pack["verdicts"]:
        scores[verdict["answer"]][verdict["dimension"], verdict["judge"]] = verdict["score"]
    gathered: dict[str, dict[int, Answer]] = defaultdict(dict)
    for row in pack["answers"]:
        gathered[row["option"]][row["position"]] = Answer(
            is_left_out=row["is_left_out"],
            is_failed=row["is_failed"],
            refused=row["refused"],
            latency_ms=row["latency_ms"],
            cost_usd=_money(row["cost_usd"]),
            tokens_out=row["tokens_out"],
            scores=scores.get(row["same_answer_as"] or row["call_key"], {}),
        )
    return gathered


def _prompt(said: Mapping[str, Any]) -> Prompt:
    return Prompt(said["position"], said["stratum"], tuple(said["covariates"]) or None)


def _comparisons(pack: Mapping[str, Any]) -> Iterator[Comparison]:
    """Pairs of verdicts on the same two answers, in both orders; those with one unreadable say nothing."""
    orders: dict[str, dict[bool, str]] = defaultdict(dict)
    for row in pack["preferences"]:
        if row["winner"]:
            orders[row["answer"]][row["is_incumbent_first"]] = row["winner"]
    for both in orders.values():
        if len(both) == 2:
            yield Comparison(both[True], both[False])


def _labels(pack: Mapping[str, Any]) -> Iterator[Label]:
    for row in pack["labels"]:
        yield Label(row["option"], row["position"], row["dimension"], row["score"])


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
