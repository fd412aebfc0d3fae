"""What is left of a result once its ignore comments were heard."""

from __future__ import annotations

from dataclasses import dataclass

from .finding import Finding

__all__ = ["Settled"]


@dataclass(frozen=True, slots=True)
class Settled:
    """Findings, after the ignore comments were heard."""

    findings: tuple[Finding, ...]
    """Those left, with those about the comments themselves; sorted as in `Result`."""

    ignored: tuple[tuple[Finding, str], ...] = ()
    """Those taken away, each with the reason that its comment gives, which may be empty."""

    uses_noqa: bool = False
    """Whether a `noqa` comment names a rule of ours."""
