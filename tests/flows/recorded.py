"""The recorded provider and a log of real prompts, as processes and files of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netra.llm import OPENAI_COMPATIBLE
from projects import importing
from projects.models import Import, Project
from routing.models import OptionPrice, ProviderConnection, SupplyOption
from tests import factories

PRICES = {
    "claude": (8.0, 24.0),
    "FuseChat-Gemma-2-9B-Instruct": (0.3, 0.3),
    "gpt-3.5-turbo-1106": (1.0, 2.0),
    "vicuna-7b": (0.2, 0.2),
    "phi-2": (0.1, 0.1),
    "minichat-3b": (0.1, 0.1),
    "alpaca-7b": (0.2, 0.2),
    "judge-alpacaeval": (1.0, 3.0),
    "judge-position-biased": (1.0, 3.0),
}


def shared_dir() -> Path:
    """The shared folder; may not be there."""
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("NETRA_SHARED_DIR", root.parent / "shared"))


@contextmanager
def provider(*options: str) -> Iterator[str]:
    """The recorded provider's base URL, for as long as it is used."""
    tool = shared_dir() / "tools" / "recorded_provider.py"
    command = [sys.executable, "-B", str(tool), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


def make_log(folder: Path, *, n: int, seed: int = 1) -> Path:
    """A log of real prompts in OpenAI's shape."""
    tool = shared_dir() / "tools" / "make_logs.py"
    command = [sys.executable, "-B", str(tool), "--out", str(folder), "--n", str(n), "--seed", str(seed)]
    subprocess.run([*command, "--formats", "openai"], check=True, capture_output=True)
    return folder / "openai.jsonl"


def stage(slug: str, base_url: str, log: Path) -> Project:
    """A project with that log imported, and the recorded models as options behind one connection."""
    project = factories.project(slug)
    importing.run(Import.objects.create(project=project, file_name=log.name, file_path=str(log)))
    connection = ProviderConnection(
        name="recorded", provider=OPENAI_COMPATIBLE, base_url=base_url, max_concurrency=32, deadline_s=5.0
    )
    connection.set_key("recorded-test-key")
    connection.save()
    for model, (price_in, price_out) in PRICES.items():
        option(model, price_in, price_out)
    return project


def option(model: str, price_in: float, price_out: float) -> SupplyOption:
    made = SupplyOption.objects.create(
        name=f"recorded/{model}", provider="recorded", model=model, context_tokens=32_000, max_output_tokens=2_048
    )
    rates = {"input": f"{price_in / 1e6:.9f}", "output": f"{price_out / 1e6:.9f}"}
    OptionPrice.objects.create(
        option=made, rates=rates, effective_from=factories.NOON.replace(year=2020), source="test"
    )
    return made


def named(models: Sequence[str]) -> list[str]:
    return [f"recorded/{model}" for model in models]


def requests_of(log: Path) -> list[dict[str, Any]]:
    """What the provider was asked, in order."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
