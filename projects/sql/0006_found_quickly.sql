-- Filters that few rows pass: with these, parts of the log that hold none are not read. What is there already is indexed behind.
-- Ids that are asked for fifty at a time err less often: fifty times one in a hundred would be half of the log.
ALTER TABLE workload_events
    ADD INDEX IF NOT EXISTS has_event_id event_id TYPE bloom_filter(0.001) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS has_record_id source_record_id TYPE bloom_filter(0.01) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS has_session_id session_id TYPE bloom_filter(0.001) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS has_user_id user_id TYPE bloom_filter(0.01) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS has_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1,
    ADD INDEX IF NOT EXISTS has_run_id run_id TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE workload_events MATERIALIZE INDEX has_event_id;
ALTER TABLE workload_events MATERIALIZE INDEX has_record_id;
ALTER TABLE workload_events MATERIALIZE INDEX has_session_id;
ALTER TABLE workload_events MATERIALIZE INDEX has_user_id;
ALTER TABLE workload_events MATERIALIZE INDEX has_trace_id;
ALTER TABLE workload_events MATERIALIZE INDEX has_run_id;
