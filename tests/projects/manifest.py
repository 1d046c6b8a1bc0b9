"""The shared damaged files, and whether each ended as its manifest says: action, calls left, lines, reason, flag."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from projects import importing, log
from projects.ingest.verdicts import REJECTIONS
from projects.log import EventFilter
from projects.models import Import, Project

Case = dict[str, Any]
# What the manifest calls a reason → the code of this project.
REASONS = {
    "invalid JSON": "invalid_json",
    "not an object": "not_an_object",
    "nested too deeply": "nested_too_deeply",
    "number out of range": "number_out_of_range",
    "not UTF-8": "not_utf8",
    "missing id": "missing_id",
    "id too long": "id_too_long",
    "missing timestamp": "missing_timestamp",
    "invalid timestamp": "invalid_timestamp",
    "timestamp in the future": "timestamp_in_future",
    "negative token count": "negative_token_count",
    "token count is not an integer": "not_an_integer",
    "not a number": "not_a_number",
    "not a finite number": "not_finite",
    "negative cost": "negative_cost",
    "wrong type": "wrong_type",
    "invalid trace id": "invalid_trace_id",
    "invalid span id": "invalid_span_id",
}
# Words that the sentence of a refused file must have.
REFUSALS = {
    "not JSON Lines": "not JSON Lines",
    "not text": "not text",
    "no known format": "no known format",
    "truncated gzip": "gzip",
    "not UTF-8": "UTF-8",
}


def cases(shared_dir: Path, folder: Path, *formats: str) -> list[Case]:
    """Write the damaged files; those of some formats, or all."""
    tool = shared_dir / "tools" / "make_logs.py"
    arguments = ["--out", str(folder), "--model", "gpt-3.5-turbo-1106", "--n", "300", "--formats", "portkey", "--bad"]
    subprocess.run([sys.executable, str(tool), *arguments], check=True, capture_output=True)
    found: list[Case] = json.loads((folder / "bad" / "manifest.json").read_text())["files"]
    return [case for case in found if not formats or case["format"] in formats]


def check(project: Project, folder: Path, case: Case) -> None:
    """Import one damaged file into an empty project and compare; the project is empty again afterwards."""
    path = folder / "bad" / case["file"]
    taking = importing.run(Import.objects.create(project=project, file_name=path.name, file_path=str(path)))
    assert log.count(project.pk, EventFilter()) == case["calls_imported"], case["what"]
    _refused_or_done(taking, case)
    _counted(taking, case)
    _lines(taking, case)
    _nothing_lost(taking, case)
    log.delete_project(project.pk)


def _refused_or_done(taking: Import, case: Case) -> None:
    is_refused = case["action"] == "reject_file"
    assert taking.state == ("refused" if is_refused else "done"), case["what"]
    assert not is_refused or REFUSALS[case["reason"]] in taking.sentence, (case["what"], taking.sentence)


def _counted(taking: Import, case: Case) -> None:
    action = case["action"]
    counts = (taking.n_duplicate, taking.n_versioned, taking.n_skipped, taking.n_rejected)
    wanted = ("ignore_duplicate", "new_version", "skip_not_a_call", "reject_row")
    assert counts == tuple(len(case["lines"]) if action == each else 0 for each in wanted), case["what"]
    # Remarks that the manifest leaves open: what a call without a body, or with several answers, is good for.
    quiet = {"not_replayable", "no_usage", "multiple_choices"}
    assert action != "accept" or set(taking.flag_counts) <= quiet, (case["what"], taking.flag_counts)


def _lines(taking: Import, case: Case) -> None:
    rejected = list(taking.lines.filter(outcome="rejected").values_list("line_number", "code"))
    wanted = [(line, REASONS[case["reason"]]) for line in case["lines"]] if case["action"] == "reject_row" else []
    assert rejected == wanted, case["what"]
    for line in taking.lines.filter(outcome="rejected"):
        assert line.sentence.startswith(REJECTIONS[line.code])
    if case["flag"]:
        flagged = list(taking.lines.filter(code=case["flag"]).values_list("line_number", flat=True))
        assert flagged == (case["lines"] or [0]), case["what"]  # line 0 stands for the whole file
    if case["action"] == "skip_not_a_call":
        assert list(taking.lines.filter(outcome="skipped").values_list("line_number", flat=True)) == case["lines"]


def _nothing_lost(taking: Import, case: Case) -> None:
    """Each record of the file is in one of the ledger's columns."""
    seen = taking.n_taken + taking.n_duplicate + taking.n_versioned + taking.n_merged
    seen += taking.n_rejected + taking.n_skipped
    assert seen >= taking.n_lines, case["what"]
