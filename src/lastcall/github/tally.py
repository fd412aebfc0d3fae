"""What the service counts, and how Prometheus reads it."""

from collections import Counter
from collections.abc import Mapping

from .inbox import State

__all__ = ["Tally"]

_EVENTS_MAX = 300
"""Kinds of event counted apart; GitHub has some seventy. Others are counted as "other"."""


class Tally:
    """Counters of one process, from zero at its start."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        """Answers to requests at the webhook, by status."""

        self.events: Counter[str] = Counter()
        """Verified deliveries stored, by event."""

        self.unhandled: Counter[str] = Counter()
        """Deliveries that no handler wanted, by event."""

        self.handled: Counter[str] = Counter()
        """Runs of handlers, by outcome: "ok", "failed" or "dead"."""

        self.redelivered = 0
        """Deliveries that GitHub was asked to send again."""

    def count(self, counter: Counter[str], event: str) -> None:
        """Add one to the *counter* of an event, bounded in how many kinds it holds."""
        counter[event if event in counter or len(counter) < _EVENTS_MAX else "other"] += 1

    def prometheus(self, states: Mapping[State, int]) -> str:
        """
        Return everything as Prometheus text.

        Args:
            states: How many deliveries are in each state now.
        """
        families: list[tuple[str, str, str, str, Mapping[str, int]]] = [
            ("webhook_answers_total", "counter", "Answers at the webhook.", "status", self.answers),
            ("webhook_events_total", "counter", "Verified deliveries stored.", "event", self.events),
            ("webhook_unhandled_total", "counter", "Deliveries no handler wanted.", "event", self.unhandled),
            ("webhook_handler_runs_total", "counter", "Runs of handlers.", "outcome", self.handled),
            (
                "webhook_deliveries",
                "gauge",
                "Deliveries in the inbox.",
                "state",
                {str(state): count for state, count in states.items()},
            ),
        ]
        lines = [line for family in families for line in _family(*family)]
        lines += _head("webhook_redeliveries_asked_total", "counter", "Deliveries asked of GitHub again.")
        lines.append(f"lastcall_github_webhook_redeliveries_asked_total {self.redelivered}")
        return "\n".join(lines) + "\n"


def _family(name: str, kind: str, text: str, label: str, values: Mapping[str, int]) -> list[str]:
    # Label values are states, statuses, and events whose form the intake has checked: nothing to escape.
    samples = [f'lastcall_github_{name}{{{label}="{key}"}} {value}' for key, value in sorted(values.items())]
    return [*_head(name, kind, text), *samples]


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP lastcall_github_{name} {text}", f"# TYPE lastcall_github_{name} {kind}"]
