"""Tests of the GitHub client."""
