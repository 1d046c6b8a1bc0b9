"""Settings are loud: what cannot be understood is refused, and nothing need be set."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from netra import settings


@pytest.mark.parametrize(("text", "expected"), [("yes", True), ("ON", True), ("1", True), ("no", False), ("0", False)])
def test_words_for_yes_and_no(monkeypatch: pytest.MonkeyPatch, text: str, expected: bool) -> None:
    monkeypatch.setenv("A_SWITCH", text)
    assert settings.env_bool("A_SWITCH", not expected) is expected


def test_unset_switch_takes_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_SWITCH", raising=False)
    assert settings.env_bool("A_SWITCH", True) is True


def test_unknown_word_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SWITCH", "maybe")
    with pytest.raises(ImproperlyConfigured, match="A_SWITCH must be yes or no, not 'maybe'"):
        settings.env_bool("A_SWITCH", False)


def test_number_must_be_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_NUMBER", "4.5")
    with pytest.raises(ImproperlyConfigured, match="whole number"):
        settings.env_int("A_NUMBER", 1)


def test_list_ignores_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_LIST", " a, ,b,")
    assert settings.env_list("A_LIST") == ["a", "b"]


def test_secret_from_a_file_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    monkeypatch.setenv("A_SECRET", "from-env")
    monkeypatch.setenv("A_SECRET_FILE", str(tmp_path / "key"))
    assert settings.env_secret("A_SECRET") == "from-file"


def test_made_secret_is_kept_and_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    first = settings.kept_secret("a_key")
    assert len(first) >= 60
    assert settings.kept_secret("a_key") == first
    assert stat.S_IMODE(os.stat(tmp_path / "a_key").st_mode) == 0o600
