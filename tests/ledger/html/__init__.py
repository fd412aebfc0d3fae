"""The HTML report, and the history it shows."""
