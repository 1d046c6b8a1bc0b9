"""Every malformed file of every format ends as its manifest says, with line, reason and flag; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects.models import Project
from tests.projects import manifest

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.fixture(scope="module")
def cases(shared_dir: Path, folder: Path) -> list[manifest.Case]:
    found = manifest.cases(shared_dir, folder)
    assert len(found) >= 79
    return found


@pytest.mark.parametrize("part", range(4))
def test_every_damaged_file_ends_as_its_manifest_says(
    project: Project, events: None, folder: Path, cases: list[manifest.Case], part: int
) -> None:
    for case in cases[part::4]:
        manifest.check(project, folder, case)


def test_the_manifest_speaks_of_reasons_and_actions_that_are_checked(cases: list[manifest.Case]) -> None:
    reasons = {case["reason"] for case in cases if case["action"] == "reject_row"}
    refusals = {case["reason"] for case in cases if case["action"] == "reject_file"}
    assert reasons <= manifest.REASONS.keys() and refusals <= manifest.REFUSALS.keys()
