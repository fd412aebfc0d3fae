"""Handles, from making one to closing the last."""
