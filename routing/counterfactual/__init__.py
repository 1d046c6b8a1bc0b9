"""What another policy would have cost and scored on the decisions that were logged, with intervals."""
