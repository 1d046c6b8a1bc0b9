"""Off-policy estimates: how often 95 % intervals hold the true value of random policies, on recorded outcomes.

    python benchmarks/counterfactual.py [FILE…] [--prices FILE] [--policies 200] [--calls 1000] [--json]

Files have the layout of the shared routing folder: every model's outcome on every prompt is known, and with it the true
value of a policy. For each random policy a log of its own is made: prompts drawn with replacement, decided by the
product's controller with exploration; only the outcome of the option taken is kept. The policies are random functions
of the prompts' surface features, from nearly uniform to nearly deterministic. Where the overlap is too thin, nothing is
said; that is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("NETRA_SHARED_DIR", ROOT.parent / "shared"))
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from routing.controller import BEST, Policy, Prediction, distribution  # noqa: E402
from routing.counterfactual.estimators import Estimate, doubly_robust, ips, snips  # noqa: E402
from routing.counterfactual.expecting import expected  # noqa: E402
from routing.demand import DEFAULT_OUTPUT_TOKENS, Demand  # noqa: E402
from routing.features import surface  # noqa: E402

FILES = ("llmrouter9_dev.jsonl.gz", "routellm_mmlu_30pct.csv.gz", "routellm_gsm8k.csv.gz")
# Blended list prices in USD per million tokens, for two-model files that state no costs.
BLENDED = (0.24, 24.7)
OUT_TOKENS = 300  # the files publish none; the reference figures assume as many
ESTIMATORS = ("ips", "snips", "dr")


@dataclass(frozen=True, slots=True)
class World:
    """Everything about some prompts (rows) and models (columns), and what is known before a call."""

    name: str
    quality: np.ndarray
    usd: np.ndarray | None
    foreseen_usd: np.ndarray
    features: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.quality.shape


def read(path: Path, prices: Path | None) -> World:
    found = pd.read_json(path, lines=True) if ".jsonl" in path.name else pd.read_csv(path)
    if "scores" in found:
        scores = pd.DataFrame(list(found.scores)).dropna(axis=1)
        beside = prices or next(iter(sorted(path.parent.glob("*_prices.csv"))), None)
        usd = _priced(found.prompt_tokens, pd.read_csv(beside).set_index("model"), scores) if beside else None
        scores = scores if usd is None else scores[usd.columns]
    else:
        scores = found[["weak_correct", "strong_correct"]]
        kept = [f"{name}_cost_usd" for name in ("weak", "strong")]
        usd = found[kept] if set(kept) <= set(found) else pd.DataFrame(np.outer(found.prompt_tokens, BLENDED) / 1e6)
    seen = np.array([surface(str(text)) for text in found.prompt])
    features = np.c_[np.ones(len(seen)), (seen - seen.mean(0)) / (seen.std(0) + 1e-9)]
    # The gateway foresees as many output tokens for every request; what an option really costs is learnt as a ratio.
    foreseen = np.outer(found.prompt_tokens + DEFAULT_OUTPUT_TOKENS, np.ones(scores.shape[1]))
    return World(path.name, scores.to_numpy(float), None if usd is None else usd.to_numpy(float), foreseen, features)


def _priced(tokens: pd.Series, prices: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    rates = prices[["input_usd_per_1m", "output_usd_per_1m"]] / 1e6
    named = [name for name in scores if name in rates.index]
    return pd.DataFrame(
        {name: tokens * rates.loc[name].iloc[0] + OUT_TOKENS * rates.loc[name].iloc[1] for name in named}
    )


# ---------------------------------------------------------------- policies
def random_policy(world: World, rng: np.random.Generator) -> np.ndarray:
    """Rows × models: probabilities by a random linear function of the features, at a random temperature."""
    temperature = np.exp(rng.uniform(np.log(0.1), np.log(5)))
    leaning = world.features @ rng.normal(size=(world.features.shape[1], world.shape[1])) / temperature
    odds = np.exp(leaning - leaning.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def logging_policy(world: World, exploration: float, rng: np.random.Generator) -> np.ndarray:
    """What the controller decides by beliefs that depend on the prompt; every option may be explored."""
    names = [f"m/{place}" for place in range(world.shape[1])]
    policy = Policy("auto", 1, BEST, names[0], tuple(names[1:]), margin=0.05, exploration=exploration)
    believed = world.features @ rng.normal(size=(world.features.shape[1], len(names))) / 10
    return np.array([_odds(policy, names, row) for row in believed - believed[:, :1]])


def _odds(policy: Policy, names: list[str], believed: np.ndarray) -> list[float]:
    seen = [Prediction(name, 1.0, 1.0, mean, mean - 0.05, 1.0) for name, mean in zip(names, believed, strict=True)]
    odds = distribution(Demand(frozenset(), 1, 1, ""), policy, seen)
    return [odds.get(name, 0.0) for name in names]


# ---------------------------------------------------------------- one log, one policy
@dataclass(frozen=True, slots=True)
class Log:
    rows: np.ndarray
    taken: np.ndarray
    weights: np.ndarray


def logged(mu: np.ndarray, pi: np.ndarray, n: int, rng: np.random.Generator) -> Log:
    rows = rng.integers(0, len(mu), n)
    taken = (mu[rows].cumsum(1) < rng.random((n, 1))).sum(1).clip(0, mu.shape[1] - 1)
    return Log(rows, taken, pi[rows, taken] / mu[rows, taken])


def estimates(
    log: Log, pi: np.ndarray, outcomes: np.ndarray, foreseen: np.ndarray, within: tuple[float, float] | None
) -> dict[str, Estimate]:
    rewards, each = outcomes[log.rows, log.taken], np.arange(len(log.rows))
    model = expected(rewards, log.taken, foreseen[log.rows])
    robust = doubly_robust(rewards, log.weights, model[each, log.taken], (pi[log.rows] * model).sum(1))
    found = {"ips": ips(rewards, log.weights), "snips": snips(rewards, log.weights), "dr": robust}
    return {name: terms.estimate(within) for name, terms in found.items()}


# ---------------------------------------------------------------- many
@dataclass(slots=True)
class Tally:
    """Of one estimator and outcome over policies."""

    held: int = 0
    said: int = 0
    unsaid: int = 0
    width: float = 0.0  # sum over those said, relative to the true value

    def count(self, found: Estimate, truth: float) -> None:
        if found.low is None or found.high is None:
            self.unsaid += 1
            return
        self.said += 1
        self.held += bool(found.low <= truth <= found.high)
        self.width += float((found.high - found.low) / abs(truth))

    def told(self) -> dict[str, float | int | None]:
        mean = (lambda total: round(total / self.said, 4)) if self.said else (lambda _: None)
        return {"coverage": mean(self.held), "said": self.said, "unsaid": self.unsaid, "width": mean(self.width)}


def measured(world: World, asked: argparse.Namespace) -> dict[str, dict[str, dict[str, float | int | None]]]:
    rng = np.random.default_rng(asked.seed)
    tallies = {outcome: {name: Tally() for name in ESTIMATORS} for outcome, *_ in _outcomes(world)}
    for place in range(asked.policies):
        if place % 20 == 0:  # a few logging policies, each exploring around other beliefs
            mu = logging_policy(world, asked.exploration, rng)
        pi = random_policy(world, rng)
        log = logged(mu, pi, asked.calls, rng)
        for outcome, values, foreseen, within in _outcomes(world):
            truth = float((pi * values).sum(1).mean())
            for name, found in estimates(log, pi, values, foreseen, within).items():
                tallies[outcome][name].count(found, truth)
    return {outcome: {name: tally.told() for name, tally in of.items()} for outcome, of in tallies.items()}


def _outcomes(world: World) -> Iterator[tuple[str, np.ndarray, np.ndarray, tuple[float, float] | None]]:
    yield "quality", world.quality, np.full(world.shape, np.nan), (0.0, 1.0)
    if world.usd is not None:
        yield "cost", world.usd, world.foreseen_usd, None


def lowest(found: dict[str, dict[str, dict[str, dict[str, float | int | None]]]]) -> float | None:
    """The least coverage over files, outcomes and estimators."""
    each = [tally["coverage"] for of in found.values() for by in of.values() for tally in by.values()]
    return min((value for value in each if value is not None), default=None)


def pooled(
    found: dict[str, dict[str, dict[str, dict[str, float | int | None]]]], pick: Callable[[str], bool]
) -> float | None:
    tallies = [t for of in found.values() for by in of.values() for name, t in by.items() if pick(name) and t["said"]]
    said = sum(t["said"] for t in tallies)
    return round(sum(t["coverage"] * t["said"] for t in tallies) / said, 4) if said else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[SHARED / "data" / "routing" / name for name in FILES])
    parser.add_argument("--prices", type=Path, help="default: the *_prices.csv beside a file of many models")
    parser.add_argument("--policies", type=int, default=200)
    parser.add_argument("--calls", type=int, default=1000, help="logged decisions for each policy")
    parser.add_argument(
        "--exploration", type=float, default=0.3, help="share of calls the logging policy explores with"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = {path.name: measured(read(path, asked.prices), asked) for path in asked.files}
    coverage = {name: pooled(found, lambda each, name=name: each == name) for name in ESTIMATORS}
    told = {"coverage": pooled(found, lambda _: True), "lowest_coverage": lowest(found), "by_estimator": coverage}
    if asked.json:
        print(json.dumps(told | {"files": found}, indent=1))
        return
    for name, outcomes in found.items():
        for outcome, by in outcomes.items():
            for estimator, tally in by.items():
                print(f"{name:28} {outcome:8} {estimator:6} {tally}")
    print(told)


if __name__ == "__main__":
    main()
