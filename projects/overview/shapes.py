"""What a page is made of: sections, each a picture, the table it is drawn from, and the events behind them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netra.pictures import Picture

Link = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """A value whose unit is not its column's."""

    value: Any
    unit: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Another way to see a section: a parameter of the address and what it is set to."""

    param: str
    value: str
    title: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Head:
    """`unit` says how the column's values are written. `is_bar`: a share of the whole, drawn beside the others."""

    title: str
    unit: str = "text"
    note: str = ""
    is_bar: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Values in the order of the heads, None where not known. `link`: what narrows the log to the events behind."""

    cells: tuple[Any, ...]
    link: Link = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Table:
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    total: Row | None = None

    @property
    def has_links(self) -> bool:
        return any(row.link for row in self.rows)


@dataclass(frozen=True, slots=True)
class Section:
    """`note` says what it shows, `sentences` what to know of it; without table, the last of these says why.

    `is_folded`: the table is long and stands behind a word.
    """

    name: str
    title: str
    note: str = ""
    picture: Picture | None = None
    table: Table | None = None
    sentences: tuple[str, ...] = ()
    is_folded: bool = False
    choices: tuple[Choice, ...] = ()
