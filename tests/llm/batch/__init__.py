"""Tests of `lastcall llm batch` and `run_batch`."""
