"""The same calls out of the hourly roll-up: what it can answer, and the statement that says so. Pure.

Hours that a window cuts, and hours whose sums do not agree with the log, are read from the log itself and added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from projects.analytics.calls import Bound, log_rows, used
from projects.analytics.questions import Aggregate, ByDimension, Question
from projects.analytics.times import HOUR, is_whole_hour
from projects.analytics.vocabulary import CONDITIONS, DIMENSIONS, FIGURES, MEASURES, PERCENTILES, Figure

# More stretches than this to read apart, and the log is as quick.
MOST_APART = 100
Span = tuple[datetime, datetime]
_SAME = (
    "purpose, source, provider, requested_model, served_model, kind, operation, environment, outcome, error_type, "
    "finish_reason, is_refusal, is_replayable, is_simulated"
)


@dataclass(frozen=True, slots=True)
class Hours:
    """Whole hours [since, until) of a window, and those of them to be read from the log."""

    since: datetime
    until: datetime
    stale: Sequence[datetime] = ()

    @classmethod
    def of(cls, span: tuple[datetime, datetime]) -> Hours:
        since, until = (at.astimezone(UTC) for at in span)
        first = _floor(since) if is_whole_hour(since) else _floor(since) + HOUR
        return cls(first, max(first, _floor(until)))

    def apart(self, span: tuple[datetime, datetime]) -> list[tuple[datetime, datetime]]:
        """Stretches of the span that the roll-up does not tell: its cut ends, and runs of hours that do not hold."""
        found = [(span[0], min(self.since, span[1])), *((at, at + HOUR) for at in sorted(self.stale))]
        found.append((max(self.until, span[0]), span[1]))
        runs: list[tuple[datetime, datetime]] = []
        for since, until in found:
            if runs and runs[-1][1] == since:
                runs[-1] = (runs[-1][0], until)
            elif since < until:
                runs.append((since, until))
        return [run for run in runs if run[0] < run[1]]


def _floor(at: datetime) -> datetime:
    return at - timedelta(minutes=at.minute, seconds=at.second, microseconds=at.microsecond)


def covers(question: Aggregate, edges: Sequence[datetime]) -> bool:
    """Whether sums by hour hold all that is asked for, percentiles aside."""
    asked = [FIGURES[name] for name in question.figures if FIGURES[name].made not in PERCENTILES]
    return (
        _knows_calls(question)
        and all(DIMENSIONS[name].rolled for name in question.dimensions)
        and all(map(_is_summed, asked))
        and all(map(is_whole_hour, edges))
    )


def covers_percentiles(question: Aggregate, edges: Sequence[datetime]) -> bool:
    """Whether the latency counts hold them: by model or by kind, of all calls or of those with some outcome."""
    named = [each.dimension for each in question.filters if isinstance(each, ByDimension)]
    asked = [FIGURES[name] for name in question.figures if FIGURES[name].made in PERCENTILES]
    return (
        len(named) == len(question.filters)
        and set(named) <= {"outcome"}
        and question.dimensions in ((), ("model",), ("kind",))
        and (question.order_by or question.figures[0]) not in [f"{each.of}.{each.made}" for each in asked]
        and all(MEASURES[each.of].is_latency for each in asked)
        and all(map(is_whole_hour, edges))
    )


def _knows_calls(question: Question) -> bool:
    return all(isinstance(each, ByDimension) and DIMENSIONS[each.dimension].rolled for each in question.filters)


def _is_summed(figure: Figure) -> bool:
    if figure.of in CONDITIONS:
        return CONDITIONS[figure.of].is_rolled
    return figure.of == "calls" or bool(MEASURES[figure.of].rolled and figure.made in ("sum", "mean", "known"))


def rows(
    bound: Bound, project_id: int, span: Span, hours: Hours, *, has_replaced: bool, told: str | None = None
) -> str:
    """A subquery with the roll-up's columns: whole sound hours from there, all else from the log, a call a row. `told`:
    the text that reads it, to leave out what that does not name."""
    columns = used(_COLUMNS, told)
    rolled = f"SELECT {', '.join(columns) or 'hour'} FROM event_hours WHERE {sound(bound, project_id, hours)}"  # noqa: S608
    of_event = ", ".join(f"{_COLUMNS[name]} AS {name}_" for name in columns) or "started_at"
    log = log_apart(bound, project_id, span, hours, has_replaced=has_replaced, told=of_event)
    rest = f" UNION ALL SELECT {of_event} FROM {log}" if log else ""  # noqa: S608
    return f"({rolled} AND n_calls > 0{rest})"


def sound(bound: Bound, project_id: int, hours: Hours) -> str:
    """Which rows of a roll-up count."""
    project = bound.bind(project_id, "UInt64")
    first, end = (bound.bind(int(at.timestamp()), "UInt32") for at in (hours.since, hours.until))
    stale = [int(at.timestamp()) for at in hours.stale]
    but = f" AND toUnixTimestamp(hour) NOT IN {bound.bind(stale, 'Array(UInt32)')}" if stale else ""
    return f"project_id = {project} AND hour >= toDateTime({first}, 'UTC') AND hour < toDateTime({end}, 'UTC'){but}"


def log_apart(
    bound: Bound, project_id: int, span: Span, hours: Hours, *, has_replaced: bool, told: str | None = None
) -> str | None:
    """The calls outside of sound hours; None where there are no such stretches. Bounds are told one by one, so that the
    store finds them by its order."""
    stretches = hours.apart(span)
    if not stretches:
        return None
    within = (f"(started_at >= {bound.time(since)} AND started_at < {bound.time(until)})" for since, until in stretches)
    more = f" AND ({' OR '.join(within)})"
    return log_rows(bound, project_id, span, has_replaced=has_replaced, more=more, told=told)


def _of_event() -> dict[str, str]:
    """The roll-up's columns, and what each is of one event."""
    found = {
        "hour": "toStartOfHour(started_at)",
        **{name: name for name in _SAME.split(", ")},
        "n_calls": "toUInt64(1)",
    }
    for each in filter(lambda each: each.rolled, MEASURES.values()):
        value = f"toDecimal128(ifNull({each.expression}, 0), 12)" if each.is_money else f"ifNull({each.exact}, 0)"
        found |= {str(each.rolled): value, f"n_{each.rolled}": f"toUInt64(({each.expression}) IS NOT NULL)"}
    return found


_COLUMNS = _of_event()


def pieces(names: Sequence[str]) -> dict[str, str]:
    """The aliases of `figures.pieces`, over the roll-up's columns; percentiles come from elsewhere."""
    found = {"n_calls": "sum(n_calls)"}
    for figure in map(FIGURES.__getitem__, names):
        if figure.of in CONDITIONS:
            condition = CONDITIONS[figure.of]
            found[f"n_{figure.of}"] = f"sumIf(n_calls, {condition.expression})"
            found[f"known_{figure.of}"] = f"sumIf(n_calls, {condition.known})"
        elif figure.of != "calls":
            column = MEASURES[figure.of].rolled
            found[f"n_{figure.of}"] = f"sum(n_{column})"
            if figure.made in ("sum", "mean"):
                found[f"sum_{figure.of}"] = f"if(sum(n_{column}) = 0, NULL, sum({column}))"
    return found
