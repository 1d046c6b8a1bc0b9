"""What docs/importing.md tells of formats, reasons and flags is what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects.ingest import formats
from projects.ingest.verdicts import FLAGS, REJECTIONS
from projects.replayability import REASONS

PAGE = (Path(__file__).parents[2] / "docs" / "importing.md").read_text()


@pytest.mark.parametrize("codes", [REJECTIONS, FLAGS, REASONS], ids=["rejections", "flags", "reasons"])
def test_every_code_is_told_with_its_sentence(codes: dict[str, str]) -> None:
    assert [code for code, sentence in codes.items() if f"| `{code}` | {sentence} |" not in PAGE] == []


def test_every_format_is_told() -> None:
    assert [name for name in formats.FORMATS if f"| `{name}` |" not in PAGE] == []
