"""Do kinds of work come back the same on another sample, and are they the true ones? And which way of grouping is best?

    python benchmarks/kinds.py [--calls 1500] [--seed 1] [--json]

Traffic of the simulated world is split by chance into two samples. Each is embedded and grouped on its own; the kinds
of the second are matched with those of the first, as a refit does. The true families are those that made the tasks;
the reference each prompt ends in, which names its family, is taken out before anything is read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netra.settings")

import django  # noqa: E402

django.setup()

import numpy as np  # noqa: E402
from sklearn.cluster import HDBSCAN, KMeans  # noqa: E402
from sklearn.metrics import adjusted_rand_score  # noqa: E402

from netra import embeddings  # noqa: E402
from netra.simulation import tasks, traffic  # noqa: E402
from projects.clusters import grouping, matching, naming, texts  # noqa: E402
from projects.clusters.grouping import Groups, Labels, Vectors  # noqa: E402

UNTIL = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sample:
    """`vectors` of different texts; `places` says which of them each call has, `families` what it truly is."""

    said: list[str]
    vectors: Vectors
    places: Labels
    families: list[str]
    seconds: float

    @property
    def counts(self) -> list[float]:
        return np.bincount(self.places, minlength=len(self.vectors)).astype(float).tolist()


def halves(n: int, seed: int) -> list[Sample]:
    made = list(traffic.calls(seed=seed, n=2 * n, incumbent="sim-large", until=UNTIL))
    random.Random(seed).shuffle(made)
    embeddings.encode(["The model is loaded before time is taken."])
    return [sample(part) for part in (made[:n], made[n:])]


def sample(calls: list[dict[str, Any]]) -> Sample:
    said = [texts.spoken(texts.shortened(texts.without_values(asked(call)))) for call in calls]
    different = list(dict.fromkeys(said))
    began = time.perf_counter()
    vectors = embeddings.encode(different)
    seconds = time.perf_counter() - began
    places = {text: at for at, text in enumerate(different)}
    families = [call["tags"][0] for call in calls]
    return Sample(different, vectors, np.asarray([places[text] for text in said]), families, seconds)


def asked(call: dict[str, Any]) -> str:
    return tasks.REFERENCE.sub("", texts.prompt(call["request"]).asked).replace("Ref:", "")


def average_linkage(each: Sample, seed: int) -> Groups:
    """As a first fit does; a refit would even keep the cut of the one before."""
    return grouping.find(each.vectors, each.counts, seed=seed)


def k_means(k: int) -> Callable[[Sample, int], Groups]:
    def find(each: Sample, seed: int) -> Groups:
        labels = KMeans(k, n_init=10, random_state=seed).fit(each.vectors, sample_weight=each.counts).labels_
        return of_labels(each, labels)

    return find


def density(each: Sample, _seed: int) -> Groups:
    return of_labels(each, HDBSCAN(min_cluster_size=10, min_samples=3, copy=True).fit(each.vectors).labels_)


def of_labels(each: Sample, labels: Labels) -> Groups:
    """Every call belongs to its nearest centre; what a method calls noise has none of its own."""
    kept = [at for at in np.unique(labels) if at >= 0]
    centres = np.stack([each.vectors[labels == at].mean(axis=0) for at in kept])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return Groups(centres.astype(np.float32), np.full(len(kept), -1, dtype=np.float32), 0.0, None)


WAYS = {
    "average linkage, as fits do": average_linkage,
    "k-means, told the true 9": k_means(9),
    "k-means, told 16": k_means(16),
    "HDBSCAN": density,
}


def measure(pair: list[Sample], way: Callable[[Sample, int], Groups], seed: int) -> dict[str, Any]:
    """`kept`: of the calls of the second sample, those the refit leaves in their kind."""
    began = time.perf_counter()
    first, second = (way(each, seed) for each in pair)
    seconds = time.perf_counter() - began
    labels = [groups.nearest(each.vectors[each.places])[0] for groups, each in zip((first, second), pair, strict=True)]
    old, _ = first.nearest(pair[1].vectors[pair[1].places])
    weights = np.ones(len(old))
    same = matching.matched(old, labels[1], weights, first.centres, second.centres)
    rand = [adjusted_rand_score(each.families, mine) for each, mine in zip(pair, labels, strict=True)]
    return {
        "kinds": [len(first.centres), len(second.centres)],
        "kept": matching.kept_share(old, labels[1], weights, same),
        "adjusted_rand": [float(each) for each in rand],
        "unlike_any": [float((mine == grouping.NONE).mean()) for mine in labels],
        "seconds": round(seconds / 2, 2),
    }


def named(each: Sample, seed: int) -> list[str]:
    groups = average_linkage(each, seed)
    labels, _ = groups.nearest(each.vectors)
    said = [[each.said[at] for at in np.flatnonzero(labels == kind)] for kind in range(len(groups.centres))]
    return naming.names(naming.terms(said))


def shown(told: dict[str, Any]) -> None:
    print(f"Two samples of {told['calls']:,} calls, {told['texts'][0]:,} and {told['texts'][1]:,} different texts.")
    print(f"Embedding takes {told['ms_a_text']:.0f} ms a text.\n")
    print(f"{'way':<36}{'kinds':>9}{'kept':>9}{'adjusted Rand':>17}{'unlike any':>14}{'seconds':>9}")
    for way, each in told["ways"].items():
        kinds, rand = "/".join(map(str, each["kinds"])), " / ".join(f"{one:.3f}" for one in each["adjusted_rand"])
        strange = " / ".join(f"{100 * one:.1f}" for one in each["unlike_any"])
        print(f"{way:<36}{kinds:>9}{100 * each['kept']:>7.1f} %{rand:>17}{strange:>12} %{each['seconds']:>9}")
    print("\n" + "\n".join(told["names"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_500, help="in each of the two samples")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.calls < 20:
        raise SystemExit("At least 20 calls are needed to find kinds of work in.")
    pair = halves(given.calls, given.seed)
    n_texts = [len(each.vectors) for each in pair]
    told = {
        "calls": given.calls,
        "texts": n_texts,
        "ms_a_text": 1_000 * sum(each.seconds for each in pair) / sum(n_texts),
        "ways": {name: measure(pair, way, given.seed) for name, way in WAYS.items()},
        "names": named(pair[0], given.seed),
    }
    print(json.dumps(told)) if given.json else shown(told)


if __name__ == "__main__":
    main()
