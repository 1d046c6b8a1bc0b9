"""Questions to the log out of a closed vocabulary: no expression, no SQL and no code is ever taken from outside."""
