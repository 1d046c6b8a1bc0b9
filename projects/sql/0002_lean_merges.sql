-- Prompts and answers are long: merging fifty such columns side by side takes hundreds of MB, one after the other a few.
ALTER TABLE workload_events MODIFY SETTING
    vertical_merge_algorithm_min_rows_to_activate = 1,
    vertical_merge_algorithm_min_columns_to_activate = 1,
    merge_max_block_size = 1024,
    merge_max_block_size_bytes = 1048576,
    min_compress_block_size = 65536,
    max_compress_block_size = 262144;
