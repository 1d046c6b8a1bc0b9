-- When a replaced version happened: whoever reads a window need look only there for versions to leave out.
ALTER TABLE superseded_events ADD COLUMN IF NOT EXISTS started_at DateTime64(6, 'UTC') DEFAULT toDateTime64(0, 6, 'UTC');

-- Those named before the column was there are named once more, with their time; naming one twice changes nothing.
INSERT INTO superseded_events (project_id, event_id, version, superseded_at, started_at)
SELECT w.project_id, w.event_id, w.version, s.superseded_at, w.started_at
FROM workload_events AS w
INNER JOIN (SELECT * FROM superseded_events WHERE started_at = toDateTime64(0, 6, 'UTC')) AS s
    ON w.project_id = s.project_id AND w.event_id = s.event_id AND w.version = s.version;

-- Sums an hour, UTC, by what dashboards cut by. n_rows counts versions, replaced ones too, so that an hour can be held
-- against the log; everything else counts current events only. rebuilt_at: replaced versions up to then are left out.
CREATE TABLE IF NOT EXISTS event_hours
(
    project_id UInt64,
    hour DateTime('UTC'),
    purpose LowCardinality(String),
    source LowCardinality(String),
    provider LowCardinality(Nullable(String)),
    requested_model LowCardinality(Nullable(String)),
    served_model LowCardinality(Nullable(String)),
    kind LowCardinality(String),
    operation LowCardinality(String),
    environment LowCardinality(Nullable(String)),
    outcome LowCardinality(String),
    error_type LowCardinality(Nullable(String)),
    finish_reason LowCardinality(Nullable(String)),
    is_refusal Nullable(Bool),
    is_replayable Bool,
    is_simulated Bool,
    n_rows SimpleAggregateFunction(sum, UInt64),
    rebuilt_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    first_at SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    n_calls SimpleAggregateFunction(sum, UInt64),
    cost_usd SimpleAggregateFunction(sum, Decimal(38, 12)),
    n_cost_usd SimpleAggregateFunction(sum, UInt64),
    cost_recorded_usd SimpleAggregateFunction(sum, Decimal(38, 12)),
    n_cost_recorded_usd SimpleAggregateFunction(sum, UInt64),
    tok_input_fresh SimpleAggregateFunction(sum, Int64),
    n_tok_input_fresh SimpleAggregateFunction(sum, UInt64),
    tok_cache_read SimpleAggregateFunction(sum, Int64),
    n_tok_cache_read SimpleAggregateFunction(sum, UInt64),
    tok_input SimpleAggregateFunction(sum, Int64),
    n_tok_input SimpleAggregateFunction(sum, UInt64),
    tok_output_visible SimpleAggregateFunction(sum, Int64),
    n_tok_output_visible SimpleAggregateFunction(sum, UInt64),
    tok_reasoning SimpleAggregateFunction(sum, Int64),
    n_tok_reasoning SimpleAggregateFunction(sum, UInt64),
    tok_output SimpleAggregateFunction(sum, Int64),
    n_tok_output SimpleAggregateFunction(sum, UInt64),
    duration_ns SimpleAggregateFunction(sum, Int128),
    n_duration_ns SimpleAggregateFunction(sum, UInt64),
    ttft_ns SimpleAggregateFunction(sum, Int128),
    n_ttft_ns SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (project_id, hour, purpose, outcome, kind, source, provider, requested_model, served_model, operation,
          environment, error_type, finish_reason, is_refusal, is_replayable, is_simulated)
SETTINGS allow_nullable_key = 1;

-- Latency as counts in buckets that grow by 4 %: bucket b holds (1.04^(b-1), 1.04^b] ms, so its middle is within 2 %.
-- Kept by model and by kind apart, since both at once would be nearly as many rows as the log has.
CREATE TABLE IF NOT EXISTS latency_hours
(
    project_id UInt64,
    measure LowCardinality(String),
    cut LowCardinality(String),
    hour DateTime('UTC'),
    purpose LowCardinality(String),
    outcome LowCardinality(String),
    value LowCardinality(Nullable(String)),
    bucket Int16,
    n SimpleAggregateFunction(sum, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (project_id, measure, cut, hour, purpose, outcome, value, bucket)
SETTINGS allow_nullable_key = 1;

-- Holds nothing: what is put in falls through to the roll-ups. New events come by themselves, hours to be rebuilt by hand.
CREATE TABLE IF NOT EXISTS events_to_roll
(
    project_id UInt64,
    started_at DateTime64(6, 'UTC'),
    is_current Bool,
    rebuilt_at DateTime64(6, 'UTC'),
    purpose LowCardinality(String),
    source LowCardinality(String),
    provider LowCardinality(Nullable(String)),
    requested_model LowCardinality(Nullable(String)),
    served_model LowCardinality(Nullable(String)),
    kind LowCardinality(String),
    operation LowCardinality(String),
    environment LowCardinality(Nullable(String)),
    outcome LowCardinality(String),
    error_type LowCardinality(Nullable(String)),
    finish_reason LowCardinality(Nullable(String)),
    is_refusal Nullable(Bool),
    is_replayable Bool,
    is_simulated Bool,
    duration_ms Nullable(Float64),
    ttft_ms Nullable(Float64),
    tok_input_fresh Nullable(Int64),
    tok_cache_read Nullable(Int64),
    tok_cache_write_5m Nullable(Int64),
    tok_cache_write_1h Nullable(Int64),
    tok_output_visible Nullable(Int64),
    tok_reasoning Nullable(Int64),
    tok_audio_in Nullable(Int64),
    tok_audio_out Nullable(Int64),
    cost_recorded_usd Nullable(Decimal(18, 12)),
    cost_usd Nullable(Decimal(18, 12))
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS event_hours_of_rolled TO event_hours AS
SELECT
    project_id, toStartOfHour(started_at) AS hour, purpose, source, provider, requested_model, served_model, kind, operation,
    environment, outcome, error_type, finish_reason, is_refusal, is_replayable, is_simulated,
    count() AS n_rows,
    max(events_to_roll.rebuilt_at) AS rebuilt_at,
    min(if(is_current, started_at, toDateTime64('2200-01-01 00:00:00', 6, 'UTC'))) AS first_at,
    max(if(is_current, started_at, toDateTime64(0, 6, 'UTC'))) AS last_at,
    countIf(is_current) AS n_calls,
    sumIf(toDecimal128(ifNull(events_to_roll.cost_usd, 0), 12), is_current) AS cost_usd,
    countIf(is_current AND events_to_roll.cost_usd IS NOT NULL) AS n_cost_usd,
    sumIf(toDecimal128(ifNull(events_to_roll.cost_recorded_usd, 0), 12), is_current) AS cost_recorded_usd,
    countIf(is_current AND events_to_roll.cost_recorded_usd IS NOT NULL) AS n_cost_recorded_usd,
    sumIf(ifNull(events_to_roll.tok_input_fresh, 0), is_current) AS tok_input_fresh,
    countIf(is_current AND events_to_roll.tok_input_fresh IS NOT NULL) AS n_tok_input_fresh,
    sumIf(ifNull(events_to_roll.tok_cache_read, 0), is_current) AS tok_cache_read,
    countIf(is_current AND events_to_roll.tok_cache_read IS NOT NULL) AS n_tok_cache_read,
    sumIf(ifNull(events_to_roll.tok_input_fresh + ifNull(events_to_roll.tok_cache_read, 0) + ifNull(tok_cache_write_5m, 0)
        + ifNull(tok_cache_write_1h, 0) + ifNull(tok_audio_in, 0), 0), is_current) AS tok_input,
    countIf(is_current AND events_to_roll.tok_input_fresh IS NOT NULL) AS n_tok_input,
    sumIf(ifNull(events_to_roll.tok_output_visible, 0), is_current) AS tok_output_visible,
    countIf(is_current AND events_to_roll.tok_output_visible IS NOT NULL) AS n_tok_output_visible,
    sumIf(ifNull(events_to_roll.tok_reasoning, 0), is_current) AS tok_reasoning,
    countIf(is_current AND events_to_roll.tok_reasoning IS NOT NULL) AS n_tok_reasoning,
    sumIf(ifNull(events_to_roll.tok_output_visible + ifNull(events_to_roll.tok_reasoning, 0) + ifNull(tok_audio_out, 0), 0),
        is_current) AS tok_output,
    countIf(is_current AND events_to_roll.tok_output_visible IS NOT NULL) AS n_tok_output,
    sumIf(toInt128(round(ifNull(duration_ms, 0) * 1000000)), is_current) AS duration_ns,
    countIf(is_current AND duration_ms IS NOT NULL) AS n_duration_ns,
    sumIf(toInt128(round(ifNull(ttft_ms, 0) * 1000000)), is_current) AS ttft_ns,
    countIf(is_current AND ttft_ms IS NOT NULL) AS n_ttft_ns
FROM events_to_roll
GROUP BY project_id, hour, purpose, source, provider, requested_model, served_model, kind, operation, environment, outcome,
    error_type, finish_reason, is_refusal, is_replayable, is_simulated;

CREATE MATERIALIZED VIEW IF NOT EXISTS latency_hours_of_rolled TO latency_hours AS
SELECT project_id, told.1 AS measure, by.1 AS cut, hour, purpose, outcome, by.2 AS value,
    toInt16(ceil(log(greatest(assumeNotNull(told.2), 0.001)) / log(1.04) - 0.000000001)) AS bucket, count() AS n
FROM
(
    SELECT project_id, toStartOfHour(started_at) AS hour, purpose, outcome,
        arrayJoin([('duration_ms', duration_ms), ('ttft_ms', ttft_ms)]) AS told,
        arrayJoin([('model', toString(coalesce(requested_model, served_model))), ('kind', toString(kind))]) AS by
    FROM events_to_roll
    WHERE is_current
)
WHERE told.2 IS NOT NULL AND isFinite(told.2)
GROUP BY project_id, measure, cut, hour, purpose, outcome, value, bucket;

-- Times that a DateTime cannot hold stay out: their hours never agree with the log, so they are always read from it.
CREATE MATERIALIZED VIEW IF NOT EXISTS events_rolled TO events_to_roll AS
SELECT project_id, started_at, true AS is_current, toDateTime64(0, 6, 'UTC') AS rebuilt_at, purpose, source, provider,
    requested_model, served_model, kind, operation, environment, outcome, error_type, finish_reason, is_refusal, is_replayable,
    is_simulated, duration_ms, ttft_ms, tok_input_fresh, tok_cache_read, tok_cache_write_5m, tok_cache_write_1h,
    tok_output_visible, tok_reasoning, tok_audio_in, tok_audio_out, cost_recorded_usd, cost_usd
FROM workload_events
WHERE started_at >= toDateTime64(0, 6, 'UTC') AND started_at < toDateTime64('2106-01-01 00:00:00', 6, 'UTC');
