"""The ledger: what it sees, and what it says."""
