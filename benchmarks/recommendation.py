"""How often the product's test finds an acceptable switch, and how often it errs, on real judged outputs.

    python benchmarks/recommendation.py [--judgments FILE…] [--prices FILE] [--instructions FILE] [--reps 200] [--json]

Files of the layout of `judged/` in the shared data beside the repository. Every ordered pair of models is an incumbent
and a candidate; each repetition draws prompts without replacement in a new order and looks after every pair. The bets
are those of `evaluation.betting`, the futility rule of `evaluation.gates`, the interval of `evaluation.statistics`.

Nulls: to force the true difference to zero a pair's population is its differences and their negatives (1,610 prompts,
mean exactly 0); to force it to −margin those are shrunk by (1 − margin) and shifted by −margin, within [−1, 1].
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binom

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from evaluation.betting import MeanTest  # noqa: E402
from evaluation.gates import OPTIMISM, is_futile  # noqa: E402
from evaluation.statistics import misses  # noqa: E402

Floats = npt.NDArray[np.float64]
SHARED = Path(os.environ.get("NETRA_SHARED_DIR", ROOT.parent / "shared")) / "data" / "judged"
JUDGE = "weighted_alpaca_eval_gpt4_turbo"
NOT_MODELS = ("NullModel", "gpt4_gamed", "gpt4_1106_preview")
ALPHA = 0.05
MIN_PAIRS = 20
CHUNK = 40


@dataclass(frozen=True)
class Case:
    """An ordered pair of models: candidate − incumbent on every prompt, and its true mean."""

    incumbent: str
    candidate: str
    differences: Floats

    @property
    def truth(self) -> float:
        return float(self.differences.mean())


def load(files: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = pd.concat([pd.read_csv(file) for file in files])
    rows = rows[(rows.judge == JUDGE) & ~rows.model.isin(NOT_MODELS)]
    return rows.pivot_table(index="id", columns="model", values="win"), rows


def cases(scores: pd.DataFrame) -> list[Case]:
    names = list(scores.columns)
    return [
        Case(old, new, (scores[new] - scores[old]).dropna().to_numpy()) for old in names for new in names if old != new
    ]


def costs(rows: pd.DataFrame, prices: Path, instructions: Path) -> dict[str, float]:
    """USD a call at list prices, by mean token counts; models without a price or lengths are left out."""
    listed = pd.read_csv(prices).dropna(subset=["output_usd_per_1m"]).set_index("model")
    with gzip.open(instructions, "rt", encoding="utf-8") as file:
        prompt = float(np.mean([json.loads(line)["prompt_tokens"] for line in file]))
    answers = rows.groupby("model").out_tokens.mean()
    return {
        name: (prompt * listed.input_usd_per_1m[name] + tokens * listed.output_usd_per_1m[name]) / 1e6
        for name, tokens in answers.items()
        if name in listed.index and tokens == tokens
    }


@dataclass
class Result:
    """By case and repetition: rejected or not, and pairs spent."""

    found: npt.NDArray[np.bool_]
    spent: npt.NDArray[np.int64]


def run(populations: list[Floats], *, null_mean: float, horizon: int, reps: int, seed: int, futility: bool) -> Result:
    """Draw, bet and stop, for every population; shapes (cases, reps)."""
    parts = [
        _run_chunk(chunk, null_mean, horizon, reps, seed + at, futility)
        for at, chunk in enumerate(_chunks(populations))
    ]
    return Result(np.concatenate([part.found for part in parts]), np.concatenate([part.spent for part in parts]))


def _chunks(populations: list[Floats]) -> Iterator[list[Floats]]:
    for at in range(0, len(populations), CHUNK):
        yield populations[at : at + CHUNK]


def _run_chunk(
    populations: list[Floats], null_mean: float, horizon: int, reps: int, seed: int, futility: bool
) -> Result:
    dice = np.random.default_rng(seed)
    size = min(len(each) for each in populations)
    draws = np.stack([dice.permutation(each)[:size] for each in populations for _ in range(reps)], axis=1)
    width = draws.shape[1]
    test = MeanTest(width, null_mean=null_mean, population=size, horizon=horizon, target=1 / ALPHA)
    other = MeanTest(width, null_mean=-null_mean, population=size, horizon=horizon, target=1 / ALPHA)
    spent = np.full(width, min(horizon, size))
    is_open = np.ones(width, dtype=bool)
    for step in range(min(horizon, size)):
        test.update(draws[step], is_open)
        if futility:
            other.update(-draws[step], is_open)
        if step + 1 < MIN_PAIRS and step + 1 < min(horizon, size):
            continue
        ends = test.is_rejected & is_open
        if futility:
            ends |= is_open & other.is_rejected  # shown to be worse than the margin
            if (step + 1) % 5 == 0:
                ends |= is_open & is_futile(test.chance(OPTIMISM), other.chance(OPTIMISM))
        spent[ends] = step + 1
        is_open &= ~ends
        if not is_open.any():
            break
    shape = (len(populations), reps)
    return Result(test.is_rejected.reshape(shape), spent.reshape(shape))


def mirrored(case: Case) -> Floats:
    return np.concatenate([case.differences, -case.differences])


def null_rates(all_cases: list[Case], *, margin: float, reps: int, seed: int) -> tuple[float, float, float]:
    """False switches overall, of the worst pair, and what chance alone makes of the worst of so many at 5 %."""
    populations = [(1 - margin) * mirrored(case) - margin for case in all_cases]
    horizon = min(len(case.differences) for case in all_cases)
    found = run(populations, null_mean=-margin, horizon=horizon, reps=reps, seed=seed, futility=False).found
    noise = float(binom.isf(0.05 / len(all_cases), reps, ALPHA)) / reps
    return float(found.mean()), float(found.mean(axis=1).max()), noise


def interval_misses(all_cases: list[Case], *, n: int, reps: int, seed: int) -> tuple[float, float]:
    """Share of 95 % intervals after n pairs that leave the truth out: on average, and for the worst pair."""
    dice = np.random.default_rng(seed)
    rates = []
    for case in all_cases:
        if case.incumbent > case.candidate:
            continue  # the mirror image of another case
        missed = sum(
            misses(dice.permutation(case.differences)[:n], case.truth, alpha=ALPHA, population=len(case.differences))
            for _ in range(reps)
        )
        rates.append(missed / reps)
    return float(np.mean(rates)), float(np.max(rates))


def measure(scores: pd.DataFrame, price: dict[str, float], reps: int) -> dict[str, float | None]:
    everyone = cases(scores)
    zero, zero_worst, noise = null_rates(everyone, margin=0.0, reps=reps, seed=1)
    at_margin, margin_worst, _ = null_rates(everyone, margin=0.02, reps=reps, seed=2)
    close = [case for case in everyone if case.truth >= -0.01]
    five = run([c.differences for c in close], null_mean=-0.05, horizon=400, reps=reps, seed=3, futility=False)
    cheaper = [
        case
        for case in everyone
        if case.incumbent in price and case.candidate in price and price[case.candidate] < price[case.incumbent]
    ]
    two = run([c.differences for c in cheaper], null_mean=-0.02, horizon=400, reps=reps, seed=4, futility=True)
    acceptable = np.array([case.truth >= -0.02 for case in cheaper])
    missed, missed_worst = interval_misses(everyone, n=50, reps=reps, seed=5)
    return {
        "n_pairs_of_models": len(everyone),
        "n_cheaper": len(cheaper),
        "reps": reps,
        "false_switch_zero": zero,
        "false_switch_margin": at_margin,
        "worst_pair_false_switch": max(zero_worst, margin_worst),
        "worst_pair_by_chance": noise,
        "found_5pt": float(five.found.mean()),
        "median_pairs_5pt": float(np.median(five.spent)),
        "found_2pt_400": float(two.found[acceptable].mean()) if acceptable.any() else None,
        "wrong_2pt_400": float(two.found[~acceptable].sum() / max(two.found.sum(), 1)),
        "mean_pairs_2pt_400": float(two.spent.mean()),
        "mean_pairs_2pt_400_acceptable": float(two.spent[acceptable].mean()) if acceptable.any() else None,
        "interval_miss_n50": missed,
        "interval_miss_worst_n50": missed_worst,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judgments", nargs="+", type=Path, default=[SHARED / "alpacaeval_judgments_dev.csv.gz"])
    parser.add_argument("--prices", type=Path, default=SHARED / "alpacaeval_prices.csv")
    parser.add_argument("--instructions", type=Path, default=SHARED / "alpacaeval_instructions.jsonl.gz")
    parser.add_argument("--reps", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    began = time.perf_counter()
    scores, rows = load(asked.judgments)
    found = measure(scores, costs(rows, asked.prices, asked.instructions), asked.reps)
    found["seconds"] = round(time.perf_counter() - began, 1)
    if asked.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<32} {'unknown' if value is None else f'{value:.4g}':>10}")


if __name__ == "__main__":
    main()
