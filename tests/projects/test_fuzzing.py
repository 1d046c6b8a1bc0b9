"""Nothing in a log, however spoilt, raises anything but a verdict, in any importer; seconds here, minutes by hand."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projects import event_json, log_rows
from projects.ingest import formats, parsing
from projects.ingest.verdicts import Rejected
from tests import factories
from tests.projects import fuzzing, truth

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SAMPLES = fuzzing.samples()
OTHERS = [each for some in SAMPLES.values() for each in some]
quickly = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def names_of(name: str) -> list[str]:
    return sorted({key for record in SAMPLES[name] for key in record})


@pytest.mark.parametrize("name", formats.FORMATS)
@quickly
@given(data=st.data())
def test_any_object_under_the_names_of_a_format(name: str, data: st.DataObject) -> None:
    record = data.draw(st.dictionaries(st.sampled_from(names_of(name)), anything, max_size=8))
    fuzzing.take(name, json.dumps(record).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", formats.FORMATS)
@quickly
@given(seed=st.integers(0, 2**32))
def test_a_good_record_with_something_spoilt(name: str, seed: int) -> None:
    dice = random.Random(seed)
    record = fuzzing.spoilt(dice.choice(SAMPLES[name]), dice, OTHERS)
    fuzzing.take(name, fuzzing.data_of(record, dice))


@pytest.mark.parametrize("name", formats.FORMATS)
@quickly
@given(record=st.sampled_from(OTHERS))
def test_a_record_of_another_format(name: str, record: dict[str, Any]) -> None:
    fuzzing.take(name, json.dumps(record).encode())


@quickly
@given(seed=st.integers(0, 2**32))
def test_a_file_of_cut_packed_and_shuffled_lines(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    dice = random.Random(seed)
    path = tmp_path_factory.getbasetemp() / "spoilt"
    lines = [fuzzing.data_of(dice.choice(OTHERS), dice) for _ in range(dice.randrange(5))]
    path.write_bytes(fuzzing.file_of(dice, lines))
    fuzzing.read_file(path)


@quickly
@given(data=st.binary(max_size=400))
def test_a_file_of_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    fuzzing.read_file(path)


def test_real_records_of_every_format_spoilt(shared_dir: Path, tmp_path: Path) -> None:
    truth.write(shared_dir, tmp_path, "portkey,langfuse,litellm_standard,helicone,openai,otlp_genai_old", n=30)
    n, _, failures = fuzzing.forever(fuzzing.written(tmp_path), seconds=1e9, seed=1, at_most=400)
    assert (n, failures) == (400, [])


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1901-01-01T00:00:00Z"])
def test_times_at_the_end_of_time_are_refused_in_words(at: str) -> None:
    record = {"id": "1", "started_at": at}
    (found,) = parsing.line(formats.named("netra"), json.dumps(record).encode(), NOW)
    assert isinstance(found, Rejected) and found.code in ("invalid_timestamp", "timestamp_in_future")


def test_an_end_without_a_meaning_is_flagged() -> None:
    record = {"id": "1", "started_at": "2026-11-02T12:00:00Z", "ended_at": "0001-01-01T00:00:00Z"}
    (found,) = parsing.line(formats.named("netra"), json.dumps(record).encode(), NOW)
    assert "clock_mismatch" in getattr(found, "flags", ())


@pytest.mark.parametrize("odd", ['"\\ud800"', "1" + "0" * 40, "NaN", '"\\u0000"'])
@pytest.mark.parametrize("place", ["line", "text", "stream"])
def test_what_cannot_be_stored_never_stops_an_import(odd: str, place: str) -> None:
    """Wherever it hides: in the line, in JSON text inside it, or in the text of a stream."""
    body = f'{{"id": "c", "choices": [{{"finish_reason": "stop", "delta": {{"content": "x", "odd": {odd}}}}}]}}'
    told: dict[str, Any] = {"line": None, "text": f"[{body}]", "stream": f"data: {body}\n\ndata: [DONE]\n\n"}
    record = json.dumps({"id": "1", "started_at": "2026-11-02T12:00:00Z", "response": told[place]})
    data = record.replace('"response": null', f'"response": [{body}]').encode()
    assert fuzzing.take("netra", data) == {"taken": 1}


def test_numbers_beyond_all_bounds_are_written_as_near_as_can_be() -> None:
    event = factories.event(request={"model": "m", "seed": 10**30, "odd": ["\ud800"]})
    kept = event_json.loads(event_json.dumps(event))
    assert kept.request is not None and kept.request["seed"] == 1e30
    assert log_rows.row(1, event, fuzzing.OnePrice(), now=NOW).values["request"]
