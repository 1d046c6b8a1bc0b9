"""What a cache of prompt prefixes could answer, what it costs and saves, and what stands in its way. Pure."""
