"""Integrations with web frameworks and their servers."""
