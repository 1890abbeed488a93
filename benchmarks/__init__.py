"""Programs that measure; their results are committed beside them."""
