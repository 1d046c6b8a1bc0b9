"""Routing quality: the product's predictor and policies on recorded outcomes of several models.

    python benchmarks/routing.py [--data DIR] [--tools DIR] [--json]         all documented settings
    python benchmarks/routing.py --train FILE… --test FILE --predictions OUT.csv [--prices FILE]

Files: CSV with prompt, weak_*, strong_* (two models), or JSON lines with prompt and scores (many models; prices
in a CSV). Two models: `id,score`, the expected gain of the strong one. Many: `id,lambda,choice`, one block for each
policy setting; the default is the steadiest model over the training tasks.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("NETRA_SHARED_DIR", ROOT.parent / "shared"))
sys.path.insert(0, str(ROOT))
os.environ.setdefault("NETRA_DATA_DIR", tempfile.mkdtemp(prefix="netra-routing-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netra.settings")

import django  # noqa: E402

django.setup()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from netra import embeddings  # noqa: E402
from routing.controller import BEST, FIXED, WEIGHTED, Policy, Prediction, choose  # noqa: E402
from routing.demand import Demand  # noqa: E402
from routing.features import surface  # noqa: E402
from routing.learning import Bounds, Learnt, Pairs, learn_pairs  # noqa: E402
from routing.steadiest import steadiest  # noqa: E402
from routing.trial import kinds_of  # noqa: E402

OUT_TOKENS = 300  # the files publish none; the reference figures assume as many
N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Recorded qualities, prompts × models, with what the predictor sees of each prompt."""

    ids: np.ndarray
    models: tuple[str, ...]
    quality: np.ndarray
    embeddings: np.ndarray
    surfaces: np.ndarray
    tokens: np.ndarray
    tasks: np.ndarray

    def only(self, rows: np.ndarray) -> Outcomes:
        cut = (self.quality, self.embeddings, self.surfaces, self.tokens, self.tasks)
        return Outcomes(self.ids[rows], self.models, *(each[rows] for each in cut))


# ---------------------------------------------------------------- reading
def read(paths: Sequence[Path], cache: Path | None, *, is_training: bool) -> Outcomes:
    """Files of one layout, one after another. What the upstream removes from scoring is not learnt from either."""
    frames = [_frame(path) for path in paths]
    if len({frozenset(frame.attrs["models"]) for frame in frames}) > 1:
        sys.exit("the training files are of different models; train on one set at a time")
    models = frames[0].attrs["models"]
    whole = pd.concat([frame.assign(source=place) for place, frame in enumerate(frames)], ignore_index=True)
    if is_training and "contaminated" in whole:
        whole = whole[whole.contaminated != 1].reset_index(drop=True)
    texts = [str(text) for text in whole.prompt]
    seen = _embedded(texts, cache)
    tokens = whole.get("prompt_tokens", pd.Series([len(text) / 4 for text in texts]))
    return Outcomes(
        whole.id.astype(str).to_numpy(),
        models,
        whole[list(models)].to_numpy(float),
        seen,
        np.array([surface(text) for text in texts]),
        tokens.to_numpy(float),
        whole.get("task", pd.Series(["" for _ in texts])).to_numpy(str),
    )


def _frame(path: Path) -> pd.DataFrame:
    if ".jsonl" in path.name:
        found = pd.read_json(path, lines=True, dtype={"id": str})
        if "scores" in found:
            found = pd.concat([found, pd.DataFrame(list(found.scores))], axis=1)
            models = tuple(sorted({name for row in found.scores for name in row}))
        else:
            models = ()
    else:
        found = pd.read_csv(path, dtype={"id": str})
        kind = next((kind for kind in ("correct", "score") if f"weak_{kind}" in found), "")
        found = found.rename(columns={f"weak_{kind}": "weak", f"strong_{kind}": "strong"})
        models = ("weak", "strong") if kind else ()
    if "prompt" not in found and "turn1" in found:
        found = found.rename(columns={"turn1": "prompt"})
    if "prompt" not in found or "id" not in found:
        sys.exit(f"{path.name} has no columns id and prompt")
    found.attrs = {"models": models}
    return found


def _embedded(texts: list[str], cache: Path | None) -> np.ndarray:
    named = hashlib.sha256("\0".join(texts).encode(errors="replace")).hexdigest()[:24]
    kept = cache / f"{named}.npy" if cache else None
    if kept and kept.exists():
        return np.load(kept)
    import torch

    torch.set_num_threads(1)
    found = embeddings.encode([text[:8_000] for text in texts])
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, found)
    return found


# ---------------------------------------------------------------- the product at work
def learnt(train: Outcomes, default: str) -> Learnt:
    base = train.models.index(default)
    others = [place for place in range(len(train.models)) if place != base]
    differences = np.clip(train.quality[:, others] - train.quality[:, [base]], -1, 1)
    names = tuple(train.models[place] for place in others)
    pairs = Pairs(names, train.embeddings, train.surfaces, differences, train.quality[:, base])
    found = learn_pairs(default, pairs)
    if found is None:
        sys.exit("there are too few training prompts")
    return found


def safest(train: Outcomes) -> str:
    """The steadiest model over the training tasks; over kinds of like meaning where the files name no tasks."""
    kinds = train.tasks if len(set(train.tasks)) > 1 else kinds_of(train.embeddings, seed=0)
    return train.models[steadiest(train.quality, kinds)]


def settings(default: str, models: Sequence[str]) -> Iterator[Policy]:
    """From careful to bold: the default, best at growing margins, the weighted policy at growing prices of a dollar."""
    others = tuple(name for name in models if name != default)
    yield Policy("fixed", 1, FIXED, default)
    for margin in (0.0, 0.02, 0.05, 0.1, 0.2, 0.5):
        yield Policy(f"best within {margin:.0%}", 1, BEST, default, others, margin=margin)
    for price in np.geomspace(10, 1e6, 21):
        weights = {"quality": 1.0, "cost": 100 * float(price)}
        yield Policy(f"weighted {price:.0f}", 1, WEIGHTED, default, others, margin=0.5, weights=weights)


def chosen(policy: Policy, bounds: dict[str, Bounds], usd: pd.DataFrame, rows: int) -> list[str]:
    demand = Demand(frozenset(), 1, 1, "")
    prices = {name: usd[name].to_numpy() for name in policy.options}
    return [choose(demand, policy, _seen(policy, bounds, prices, row), draw=0.0).option for row in range(rows)]


def _seen(policy: Policy, bounds: dict[str, Bounds], usd: dict[str, Any], row: int) -> list[Prediction]:
    made = [Prediction(policy.default, usd[policy.default][row], 1.0, 0.0, 0.0, 0.0)]
    for name in policy.options[1:]:
        told = bounds.get(name)
        known = (told.mean[row], told.low[row], told.high[row]) if told and told.is_known[row] else (None, None, None)
        made.append(Prediction(name, usd[name][row], 1.0, *(None if each is None else float(each) for each in known)))
    return made


def predict(train: Outcomes, test: Outcomes, prices: pd.DataFrame | None) -> tuple[pd.DataFrame, str]:
    """What the scorer takes, and the default."""
    if set(train.models) == {"weak", "strong"}:
        bounds = learnt(train, "weak").expect_all(test.embeddings, test.surfaces)
        return pd.DataFrame({"id": test.ids, "score": bounds["strong"].mean}), "weak"
    if prices is None:
        sys.exit("many models need --prices")
    priced = [name for name in train.models if name in prices.index]
    if not priced:
        sys.exit("none of the training models has a price")
    kept = _models(train, priced)
    default = safest(kept)
    bounds = learnt(kept, default).expect_all(test.embeddings, test.surfaces)
    usd = pd.DataFrame(
        {
            name: (test.tokens * _usd(prices, name, "input") + OUT_TOKENS * _usd(prices, name, "output"))
            for name in priced
        }
    )
    blocks = [
        pd.DataFrame({"id": test.ids, "lambda": place, "choice": chosen(policy, bounds, usd, len(test.ids))})
        for place, policy in enumerate(settings(default, priced))
    ]
    return pd.concat(blocks, ignore_index=True), default


def _expected_usd(test: Outcomes, prices: pd.DataFrame, name: str) -> np.ndarray:
    return test.tokens * _usd(prices, name, "input") + OUT_TOKENS * _usd(prices, name, "output")


def _usd(prices: pd.DataFrame, name: str, side: str) -> float:
    return float(prices.loc[name, f"{side}_usd_per_1m"]) / 1e6


def _models(whole: Outcomes, names: Sequence[str]) -> Outcomes:
    columns = [whole.models.index(name) for name in names]
    rest = (whole.embeddings, whole.surfaces, whole.tokens, whole.tasks)
    return Outcomes(whole.ids, tuple(names), whole.quality[:, columns], *rest)


# ---------------------------------------------------------------- the documented settings
def parted(n: int, seed: int = 0) -> list[np.ndarray]:
    return np.array_split(np.random.default_rng(seed).permutation(n), N_FOLDS)


def crossed(
    whole: Outcomes, groups: Sequence[np.ndarray], prices: pd.DataFrame | None
) -> tuple[pd.DataFrame, set[str]]:
    """Each group predicted from all others."""
    made, defaults = [], set()
    for out in groups:
        rest = np.setdiff1d(np.arange(len(whole.ids)), out)
        told, default = predict(whole.only(rest), whole.only(out), prices)
        made.append(told)
        defaults.add(default)
    return pd.concat(made, ignore_index=True), defaults


def two(scorer: Any, truth: Outcomes, told: pd.DataFrame) -> dict[str, float]:
    by_id = told.drop_duplicates("id").set_index("id").score
    found = scorer.two_metrics(by_id.loc[truth.ids].to_numpy(), truth.quality[:, 0], truth.quality[:, 1])
    return {"n": len(truth.ids), **{name: round(float(found[name]), 4) for name in ("APGR", "CPT50", "CPT80")}}


def many(scorer: Any, truth: Outcomes, told: pd.DataFrame, prices: pd.DataFrame) -> dict[str, Any]:
    row, column = {n: i for i, n in enumerate(truth.ids)}, {n: i for i, n in enumerate(truth.models)}
    usd = np.stack([_expected_usd(truth, prices, name) for name in truth.models], axis=1)
    points = []
    for _, block in told.groupby("lambda"):
        rows, columns = block.id.map(row).to_numpy(), block.choice.map(column).to_numpy()
        points.append((usd[rows, columns].mean(), truth.quality[rows, columns].mean()))
    curve = np.array(points)
    found = scorer.many_metrics(truth.quality, usd, curve, list(truth.models))
    names = ("AIQ", "best_single", "gain_over_best", "cost_save_at_best")
    gains = {"default": curve[0, 1] - found["best_single"]}
    gains |= {f"margin {m}": curve[1 + place, 1] - found["best_single"] for place, m in enumerate((0, 0.02, 0.05))}
    return {"n": len(truth.ids), **{k: round(float(v), 4) for k, v in ({n: found[n] for n in names} | gains).items()}}


def documented(data: Path, tools: Path, cache: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    sys.path.insert(0, str(tools))
    import routing_eval as scorer

    mmlu = read([data / "routellm_mmlu_30pct.csv.gz"], cache, is_training=True)
    gsm = read([data / "routellm_gsm8k.csv.gz"], cache, is_training=True)
    yield "MMLU, 5-fold", two(scorer, mmlu, crossed(mmlu, parted(len(mmlu.ids)), None)[0])
    yield "GSM8K, 5-fold", two(scorer, gsm, crossed(gsm, parted(len(gsm.ids)), None)[0])
    yield "MMLU → GSM8K", two(scorer, gsm, predict(mmlu, gsm, None)[0])
    nine = read([data / "llmrouter9_dev.jsonl.gz"], cache, is_training=True)
    prices = pd.read_csv(data / "llmrouter9_prices.csv").set_index("model")
    told, _ = crossed(nine, parted(len(nine.ids)), prices)
    yield "nine models, seen tasks, 5-fold", many(scorer, nine, told, prices)
    names = sorted(set(nine.tasks))
    told, defaults = crossed(nine, [np.flatnonzero(nine.tasks == name) for name in names], prices)
    yield "nine models, each task held out", many(scorer, nine, told, prices) | {"defaults": sorted(defaults)}
    halves = [np.isin(nine.tasks, names[::2]), ~np.isin(nine.tasks, names[::2])]
    for place, half in enumerate(halves):
        told, default = predict(nine.only(~half), nine.only(half), prices)
        yield (
            f"nine models, half {place + 1} of the tasks held out",
            many(scorer, nine.only(half), told, prices) | {"defaults": [default]},
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, nargs="+")
    parser.add_argument("--test", type=Path)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--prices", type=Path, help="default: the *_prices.csv beside the training file")
    parser.add_argument("--data", type=Path, default=SHARED / "data" / "routing")
    parser.add_argument("--tools", type=Path, default=SHARED / "tools")
    parser.add_argument("--cache", type=Path, help="a folder to keep embeddings in")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.train:
        return _predicted(parser, asked)
    cache = asked.cache or Path(tempfile.gettempdir()) / "netra-routing-embeddings"
    found = {}
    for name, told in documented(asked.data, asked.tools, cache):
        found[name] = told
        if not asked.json:
            print(f"{name}: {', '.join(f'{key} {value}' for key, value in told.items())}", flush=True)
    if asked.json:
        print(json.dumps(found, indent=1))
    return None


def _predicted(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    if not asked.test or not asked.predictions:
        parser.error("--train needs --test and --predictions")
    train, test = read(asked.train, asked.cache, is_training=True), read([asked.test], asked.cache, is_training=False)
    if not train.models:
        parser.error("the training file has neither weak_* and strong_* columns nor scores")
    beside = asked.prices or next(iter(sorted(asked.train[0].parent.glob("*_prices.csv"))), None)
    prices = pd.read_csv(beside).set_index("model") if beside else None
    told, default = predict(train, test, prices)
    told.to_csv(asked.predictions, index=False)
    print(json.dumps({"rows": len(told), "prompts": len(test.ids), "default": default}))


if __name__ == "__main__":
    main()
