"""Charts: Bokeh documents as JSON for its own script, and that script from its Python package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.files.storage import FileSystemStorage

BOKEH_SCRIPTS = ("bokeh.min.js",)


class BokehFinder(BaseFinder):
    """Finds `bokeh/bokeh.min.js` inside the installed package: nothing vendored, nothing from a CDN."""

    def __init__(self, app_names: Any = None, *args: Any, **kwargs: Any) -> None:
        import importlib.util

        spec = importlib.util.find_spec("bokeh")
        assert spec is not None and spec.origin is not None
        self.storage = FileSystemStorage(location=str(Path(spec.origin).parent / "server" / "static" / "js"))
        self.storage.prefix = "bokeh"  # type: ignore[attr-defined]

    def find(self, path: str, find_all: bool = False, **_: Any) -> Any:
        name = path.removeprefix("bokeh/")
        found = self.storage.path(name) if path.startswith("bokeh/") and name in BOKEH_SCRIPTS else None
        return ([found] if found else []) if find_all else found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        for name in BOKEH_SCRIPTS:
            yield name, self.storage


class StaticStorage(ManifestStaticFilesStorage):
    """Hashed names, except where nothing was collected yet (tests, a bare checkout)."""

    manifest_strict = False

    def stored_name(self, name: str) -> str:
        return super().stored_name(name) if self.hashed_files else name
