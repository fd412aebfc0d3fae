"""The clients of language models, before real servers that answer and fail as told."""
