"""Every kind of damage, in every format: the right rows are taken, the wrong ones named by line and reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from projects import importing, log
from projects.log import EventFilter
from projects.models import Import, Project
from tests.projects.damaged import CASES, Damage

pytestmark = pytest.mark.django_db


def take(project: Project, path: Path, **fields: Any) -> Import:
    return importing.run(Import.objects.create(project=project, file_name=path.name, file_path=str(path), **fields))


@pytest.mark.parametrize(("kind", "case"), CASES, ids=[f"{kind}: {case}" for kind, case in CASES])
def test_damage(project: Project, events: None, tmp_path: Path, kind: str, case: Damage) -> None:
    path = tmp_path / f"file{case.suffix}"
    path.write_bytes(case.content)
    taking = take(project, path)
    assert taking.state == case.state, taking.sentence
    assert log.count(project.pk, EventFilter()) == case.left
    assert list(taking.reject_counts) == ([case.rejected] if case.rejected else [])
    if case.rejected:
        line = taking.lines.get(outcome="rejected")
        assert (line.line_number, line.code) == (
            3 if "last" in case.name or "cut JSON" in case.name else 2,
            case.rejected,
        )
        assert line.sentence
    if case.flagged:
        assert case.flagged in taking.flag_counts
    if case.state == "refused":
        assert taking.sentence.endswith(".")
    else:
        assert taking.format == kind or case.left == 0


def test_a_changed_record_is_a_new_version_and_the_old_one_stays_readable(
    project: Project, events: None, tmp_path: Path
) -> None:
    case = next(case for kind, case in CASES if kind == "netra" and case.name == "a changed record")
    (tmp_path / "file.jsonl").write_bytes(case.content)
    taking = take(project, tmp_path / "file.jsonl")
    assert (taking.n_taken, taking.n_versioned) == (2, 1)
    changed = next(row for row in log.events(project.pk, EventFilter()).rows if row["version"] == 2)
    assert log.event(project.pk, changed["event_id"])["duration_ms"] == 4321
    assert log.event(project.pk, changed["event_id"], 1)["duration_ms"] == 812.5
    assert [each["version"] for each in log.versions(project.pk, changed["event_id"])] == [2, 1]
