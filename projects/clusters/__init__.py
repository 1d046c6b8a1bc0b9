"""Kinds of work, from what prompts say: pure arithmetic over texts and unit vectors."""
