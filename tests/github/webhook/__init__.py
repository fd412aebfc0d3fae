"""The webhook service: intake, inbox, worker, application and command."""
