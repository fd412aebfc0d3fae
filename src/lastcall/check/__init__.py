"""Finds the lifetime bugs of sessions in source: who opens one, who keeps it, and who does not close it."""

from .config import CheckConfig, ConfigError
from .finding import Edit, Finding, Fix, Problem, Related, Result, fingerprint
from .rules import BY_CODE, RULES, Rule, UnknownRuleError, find_rule, selected_codes
from .run import run

__all__ = [
    "BY_CODE",
    "RULES",
    "CheckConfig",
    "ConfigError",
    "Edit",
    "Finding",
    "Fix",
    "Problem",
    "Related",
    "Result",
    "Rule",
    "UnknownRuleError",
    "find_rule",
    "fingerprint",
    "run",
    "selected_codes",
]
