"""What can be said of a line that is not simply taken: a code to count by, and a sentence for the person."""

from __future__ import annotations

LONGEST_DETAIL = 200
REJECTIONS = {
    "invalid_json": "The line is not valid JSON.",
    "not_an_object": "The line is JSON, but not an object.",
    "nested_too_deeply": "The JSON is nested too deeply.",
    "number_out_of_range": "A number is too large to be meant.",
    "not_utf8": "The line is not UTF-8 text.",
    "line_too_long": "The line is longer than 64 MB.",
    "column_count": "The row has more or fewer cells than the table has columns.",
    "missing_id": "The record has no id.",
    "id_too_long": "The record's id is longer than 512 characters.",
    "missing_timestamp": "The record has no time.",
    "invalid_timestamp": "The time cannot be read.",
    "timestamp_in_future": "The time lies in the future.",
    "negative_token_count": "A token count is negative.",
    "not_an_integer": "A token count is not a whole number.",
    "not_a_number": "A number is written as words.",
    "not_finite": "A number is not finite.",
    "negative_cost": "The cost is negative.",
    "negative_duration": "A duration is negative.",
    "wrong_type": "A field has the wrong type.",
    "invalid_trace_id": "The trace id is not 32 hexadecimal digits, or all zero.",
    "invalid_span_id": "The span id is not 16 hexadecimal digits, or all zero.",
    "unknown_format": "The record is of no known format.",
}

FLAGS = {
    "batch": "It came through a batch API: half price, no latency of its own.",
    "cache_semantics_assumed": "Whether the input count includes cached tokens was not told; the usual rule was taken.",
    "clock_mismatch": "It ends before it starts.",
    "cost_currency_unknown": "The recorded cost is not in US dollars and is kept apart.",
    "cost_unknown": "The recorded cost is 0 although tokens were used: unknown, not free.",
    "implausible_time": "The time is before there were such models: a clock that was never set.",
    "legacy_functions": "It uses the old functions field.",
    "media_by_reference": "Images, audio or files are only referred to.",
    "multiple_choices": "It holds several choices with one usage.",
    "name_is_no_text": "A session, user or environment in the client's own metadata is no text: it stays there only.",
    "no_body": "Request or response were not logged.",
    "no_time": "No time was recorded; the time of import stands in.",
    "no_usage": "No token usage was reported.",
    "not_replayable": "It cannot be replayed; the reasons are listed with it.",
    "output_semantics_assumed": "Whether the output count includes hidden reasoning was not told; it was taken not to.",
    "outcome_unknown": "The status is an internal state, not HTTP: how it ended is unknown.",
    "pii_masked": "Personal data was masked on the way in.",
    "private": "Privacy mode: only keyed hashes of its texts were kept.",
    "redacted": "Texts were replaced by a marker.",
    "response_cache_hit": "Answered by a response cache: no baseline for latency or quality.",
    "retried": "It took more than one attempt.",
    "schema_unknown": "It asked for JSON; the form it asked for was not logged.",
    "streamed_incomplete": "The stream ended before the answer did.",
    "synthetic": "Not demand: a shadow, health or judge call.",
    "text_repaired": "Characters that databases refuse were replaced.",
    "trailing_data": "There was data after the end of the gzip file.",
    "truncated_request": "The request was cut off.",
    "truncated_response": "The response was cut off.",
    "usage_gateway_estimate": "The token counts are an estimate of the gateway or tracer, not the provider's.",
    "usage_mismatch": "The token counts contradict each other.",
}


SKIPS = {
    "not_a_call": "It is no model call: a span, an agent's total, a tool or an event.",
    "erased": "It is of a person whose calls were deleted on request.",
    "past_retention": "It is older than this project keeps events.",
}


class Skipped(Exception):
    """This record is seen, but it is no demand or spend of its own. `code` is one of SKIPS."""

    def __init__(self, code: str = "not_a_call") -> None:
        super().__init__(SKIPS[code])
        self.code = code


class Rejected(Exception):
    """This line cannot be taken. `code` is one of REJECTIONS; `detail` names the field."""

    def __init__(self, code: str, detail: str = "") -> None:
        # What was found instead may be megabytes of digits, and a thousand lines of each code are kept.
        super().__init__(f"{REJECTIONS[code]} {detail[:LONGEST_DETAIL]}".strip())
        self.code = code


class FileRefused(Exception):
    """Nothing of this file can be taken, and why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
