"""What a run of many requests came to, as text, JSON and HTML."""
