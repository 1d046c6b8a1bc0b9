"""Vendors whose logs are fetched: one module each, which yields raw records and where to go on. No rows, no store."""
