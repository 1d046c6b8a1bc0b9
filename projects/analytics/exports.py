"""An answer as a file: CSV for spreadsheets, Parquet for programs. Unknown is an empty cell, or null."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from projects.analytics.answers import Answer, plain

FORMATS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
# A spreadsheet takes a text that begins so for a formula, some of them with the wide signs too.
_FORMULA = (*"=+-@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
_MONEY = pa.decimal128(38, 12)


def exported(answer: Answer, name: str) -> bytes:
    return as_csv(answer) if name == "csv" else as_parquet(answer)


def as_csv(answer: Answer) -> bytes:
    """Names in the first line; times ISO 8601, money with all its digits."""
    out = io.StringIO()
    write = csv.writer(out)
    write.writerow([column.name for column in answer.columns])
    write.writerows([[_cell(value) for value in row] for row in answer.rows])
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else plain(value)


def as_parquet(answer: Answer) -> bytes:
    """Money as decimals of 12 places, times in UTC, titles and units in the columns' metadata."""
    columns = list(zip(*answer.rows, strict=True)) or [()] * len(answer.columns)
    arrays = [_array(values) for values in columns]
    fields = [
        pa.field(
            column.name, array.type, metadata={"title": column.title, "unit": column.unit, "method": column.method}
        )
        for column, array in zip(answer.columns, arrays, strict=True)
    ]
    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), out)
    return bytes(out.getvalue())


def _array(values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {Decimal}:
        return pa.array(values, _MONEY)
    if kinds == {datetime}:
        return pa.array(values, pa.timestamp("us", "UTC"))
    if kinds <= {int, float} and kinds:
        return pa.array([None if value is None else float(value) for value in values] if float in kinds else values)
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: Any) -> str:
    """Half a character cannot be written."""
    return str(value).encode("utf-8", "replace").decode()
