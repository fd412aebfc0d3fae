"""The page of open sessions, its JSON, and the figures."""
