"""An OpenAI-compatible chat handle over one shared session, a node, and a batch driver."""
