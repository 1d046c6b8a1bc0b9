-- Records deleted on a person's request, by the digest of their source and id: an import of the same record again is refused.
-- `person` is a keyed hash.
CREATE TABLE IF NOT EXISTS erased_records
(
    project_id UInt64,
    person LowCardinality(String),
    record_key String CODEC(ZSTD(1)),
    erased_at DateTime64(6, 'UTC') DEFAULT now64(6) CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
ORDER BY (project_id, record_key);
