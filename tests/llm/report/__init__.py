"""Statistics, their reports, and the view of a run."""
