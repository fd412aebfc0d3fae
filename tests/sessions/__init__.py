"""Sessions shared, owned and closed."""
