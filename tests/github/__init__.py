"""`lastcall.github`: the client and the webhook service."""
