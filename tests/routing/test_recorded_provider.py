"""Against the recorded provider and its faults: no call lost, no money lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from netra.prices import cost_usd
from routing import execution
from routing.calls import ModelCall, Outcome, worst_case_usd
from tests.routing.scripted import RATES, target

MODEL = "gpt-3.5-turbo-1106"
N = 60


@pytest.fixture
def prompts(shared_dir: Path) -> list[str]:
    import gzip

    with gzip.open(shared_dir / "data" / "judged" / "alpacaeval_instructions.jsonl.gz", "rt") as lines:
        return [json.loads(line)["instruction"] for line, _ in zip(lines, range(N), strict=False)]


@pytest.fixture
def recorded(shared_dir: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """Its base URL and its own diary of requests; faults as the test's parameter says."""
    diary = tmp_path / "asked.jsonl"
    command = [sys.executable, str(shared_dir / "tools" / "recorded_provider.py"), "--port", "0", "--log", str(diary)]
    process = subprocess.Popen([*command, *request.param], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    while line and "listening on" not in line:
        line = process.stdout.readline()
    yield line.rsplit(" ", 1)[-1].strip(), diary
    process.terminate()
    process.wait(10)


async def ask_all(base_url: str, prompts: list[str], *, stream: bool) -> list[tuple[ModelCall, Outcome]]:
    to = target(base_url, model=MODEL, max_concurrency=8, deadline_s=1.5, max_output_tokens=4096)
    requests: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": prompt}], "stream": stream} for prompt in prompts
    ]
    calls = [ModelCall(1, to, asked, "replay", f"k-{n}", max_attempts=8) for n, asked in enumerate(requests)]
    return list(zip(calls, await asyncio.gather(*map(execution.run, calls)), strict=True))


@pytest.mark.parametrize(
    "recorded",
    [
        ("--fault-rate", "0"),
        ("--fault-rate", "0.3", "--faults", "500,disconnect,malformed,truncated_stream", "--seed", "3"),
        ("--fault-rate", "0.1", "--faults", "timeout,slow", "--slow-s", "0.2", "--timeout-s", "20", "--seed", "4"),
        ("--fault-rate", "0.03", "--faults", "429", "--seed", "5"),
    ],
    indirect=True,
)
@pytest.mark.parametrize("stream", [False, True])
async def test_every_call_ends_and_every_request_is_in_the_books(
    recorded: tuple[str, Path], prompts: list[str], stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "BACKOFF_S", 0.01)
    base_url, diary = recorded
    made = await ask_all(base_url, prompts, stream=stream)
    assert all(outcome.ok and outcome.text for _, outcome in made), Counter(each.error_code for _, each in made)
    asked = [json.loads(line) for line in diary.read_text().splitlines()]
    attempts = [attempt for _, outcome in made for attempt in outcome.attempts]
    # It writes a request into its diary when its own silence ends, which may be after the test.
    n_silent = sum(attempt.error_code == "timeout" for attempt in attempts)
    assert len(attempts) - n_silent <= len(asked) <= len(attempts)
    for call, outcome in made:
        answered = cost_usd(outcome.tokens, RATES)
        worst = worst_case_usd(call, call.option)
        assert answered is not None and worst is not None and answered <= worst
        n_in_doubt = sum(attempt.paid is None for attempt in outcome.attempts)
        assert outcome.charged_at_most_usd == answered + n_in_doubt * worst
        assert outcome.cost_usd == (None if n_in_doubt else answered)
        assert outcome.charged_at_most_usd >= Decimal(0)
