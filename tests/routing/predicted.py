"""Predictions as they may come: anything may be unknown."""

from __future__ import annotations

from hypothesis import strategies as st

from routing.controller import Prediction


def predictions(*options: str) -> st.SearchStrategy[Prediction]:
    """Of one of these options."""
    return st.builds(
        Prediction,
        option=st.sampled_from(options),
        cost_usd=st.none() | st.floats(0, 1),
        latency_ms=st.none() | st.floats(0, 1e4),
        quality=st.none() | st.floats(-1, 1),
        quality_low=st.none() | st.floats(-1, 1),
        quality_high=st.none() | st.floats(-1, 1),
        context_tokens=st.none() | st.integers(0, 500),
        is_healthy=st.booleans(),
    )
