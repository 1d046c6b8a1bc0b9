-- One row a version of a model call. Append-only: a changed record is a new row with the next version,
-- and the versions it replaces are named in superseded_events, so that nothing written is ever edited.
CREATE TABLE IF NOT EXISTS workload_events
(
    project_id UInt64,
    event_id String CODEC(ZSTD(1)),
    version UInt32,
    content_hash String CODEC(ZSTD(1)),
    ingested_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    import_id UInt64 DEFAULT 0,
    purpose LowCardinality(String),
    source LowCardinality(String),
    source_record_id String CODEC(ZSTD(1)),
    provider_response_id Nullable(String) CODEC(ZSTD(1)),
    trace_id Nullable(String) CODEC(ZSTD(1)),
    span_id Nullable(String) CODEC(ZSTD(1)),
    parent_span_id Nullable(String) CODEC(ZSTD(1)),
    session_id Nullable(String) CODEC(ZSTD(1)),
    user_id Nullable(String) CODEC(ZSTD(1)),
    run_id Nullable(String) CODEC(ZSTD(1)),
    started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    is_start_known Bool DEFAULT true,
    first_token_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    ended_at Nullable(DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    duration_ms Nullable(Float64) CODEC(ZSTD(1)),
    ttft_ms Nullable(Float64) CODEC(ZSTD(1)),
    time_precision LowCardinality(String),
    operation LowCardinality(String),
    provider LowCardinality(Nullable(String)),
    requested_model LowCardinality(Nullable(String)),
    served_model LowCardinality(Nullable(String)),
    request Nullable(String) CODEC(ZSTD(3)),
    response Nullable(String) CODEC(ZSTD(3)),
    stream Nullable(Bool),
    http_status Nullable(UInt16),
    outcome LowCardinality(String),
    error_type LowCardinality(Nullable(String)),
    finish_reason LowCardinality(Nullable(String)),
    is_refusal Nullable(Bool),
    tok_input_fresh Nullable(Int64) CODEC(T64, ZSTD(1)),
    tok_cache_read Nullable(Int64) CODEC(T64, ZSTD(1)),
    tok_cache_write_5m Nullable(Int64) CODEC(T64, ZSTD(1)),
    tok_cache_write_1h Nullable(Int64) CODEC(T64, ZSTD(1)),
    tok_output_visible Nullable(Int64) CODEC(T64, ZSTD(1)),
    tok_reasoning Nullable(Int64) CODEC(T64, ZSTD(1)),
    tok_audio_in Nullable(Int64) CODEC(T64, ZSTD(1)),
    tok_audio_out Nullable(Int64) CODEC(T64, ZSTD(1)),
    usage_raw String CODEC(ZSTD(3)),
    usage_origin LowCardinality(String),
    cost_recorded_usd Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    cost_recorded_origin LowCardinality(Nullable(String)),
    cost_usd Nullable(Decimal(18, 12)) CODEC(ZSTD(1)),
    price_source LowCardinality(Nullable(String)),
    environment LowCardinality(Nullable(String)),
    tags Array(LowCardinality(String)),
    metadata String CODEC(ZSTD(3)),
    flags Array(LowCardinality(String)),
    is_replayable Bool,
    not_replayable Array(LowCardinality(String)),
    kind LowCardinality(String),
    prompt_hash String CODEC(ZSTD(1)),
    system_hash String CODEC(ZSTD(1)),
    prompt_chars UInt32,
    n_messages UInt16,
    has_tools Bool,
    has_images Bool,
    wants_json Bool,
    is_simulated Bool DEFAULT false
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(started_at)
ORDER BY (project_id, started_at, event_id, version);

-- Small: one row for each version that a later one replaced. Reading current events means leaving these out.
CREATE TABLE IF NOT EXISTS superseded_events
(
    project_id UInt64,
    event_id String,
    version UInt32,
    superseded_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY (project_id, event_id, version);
