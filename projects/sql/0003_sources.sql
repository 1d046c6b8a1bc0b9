-- Which products told of a call. One call is one event, however many logs it stands in.
ALTER TABLE workload_events ADD COLUMN IF NOT EXISTS sources Array(LowCardinality(String)) DEFAULT [source];
ALTER TABLE workload_events ADD COLUMN IF NOT EXISTS call_id Nullable(String) CODEC(ZSTD(1));

-- What each product told of a call that several told of, whole, so that the event can be put together again.
-- record_key is the event id the record would have had alone.
CREATE TABLE IF NOT EXISTS source_records
(
    project_id UInt64,
    record_key String CODEC(ZSTD(1)),
    event_id String CODEC(ZSTD(1)),
    source LowCardinality(String),
    source_record_id String CODEC(ZSTD(1)),
    content_hash String CODEC(ZSTD(1)),
    import_id UInt64 DEFAULT 0,
    ingested_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    record String CODEC(ZSTD(3))
)
ENGINE = MergeTree
ORDER BY (project_id, record_key, ingested_at);
