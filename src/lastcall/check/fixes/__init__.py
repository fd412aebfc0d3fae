"""Text edits that mend findings: planned, tried, and applied only if they are right."""
