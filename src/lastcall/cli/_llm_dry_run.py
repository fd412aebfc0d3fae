"""`lastcall llm batch --dry-run`: what a batch would be, said before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator

import click

from lastcall.ledger.report.words import age, count
from lastcall.llm.batch.estimate import Estimate, estimate
from lastcall.llm.batch.job import Job
from lastcall.llm.errors import LLMError

from ._llm_options import BatchOptions

__all__ = ["estimate_batch"]

_MINUTE = 60.0
_MILLION = 1e6


def estimate_batch(options: BatchOptions) -> int:
    """Check every line, write what is found to stdout, and return 1 if a line is no request."""
    job = Job(options.job, lambda _: None)
    try:
        found = estimate(job.foresee())
    except LLMError as error:
        raise click.UsageError(str(error)) from None
    for line in _lines(found, job.intake.done, options):
        click.echo(line)
    return int(bool(found.refused))


def _lines(found: Estimate, done: int, options: BatchOptions) -> Iterator[str]:
    yield f"to send      {count(found.requests, 'request')}" + (
        f", {done:,} are done already" if done else ""
    )
    if found.models:
        named = ", ".join(f"{model} ({number:,})" for model, number in found.models.most_common(3))
        yield f"model        {named}" + (" and others" if len(found.models) > 3 else "")  # noqa: PLR2004
    yield f"prompts      about {found.prompt_tokens:,} tokens" + (
        f", without {count(found.other_parts, 'part')} that are no text" if found.other_parts else ""
    )
    yield f"answers      {_answers(found)}"
    if options.price is not None:
        yield f"cost         {_cost(found, options.price)}"
    yield f"time         {_time(found, options)}"
    if found.refused:
        kinds = ", ".join(f"{code.replace('_', ' ')}: {number:,}" for code, number in found.refused.items())
        yield f"refused      {count(found.refused.total(), 'line')} ({kinds})"
        yield from (f"  {example}" for example in found.examples)


def _answers(found: Estimate) -> str:
    most = f"at most {found.completion_tokens_max:,} tokens"
    if not found.unlimited:
        return most
    without = f"{count(found.unlimited, 'request')} without a limit (max_tokens)"
    return without if found.unlimited == found.requests else f"{most}, and {without}"


def _cost(found: Estimate, price: tuple[float, float]) -> str:
    prompts = found.prompt_tokens * price[0] / _MILLION
    answers = found.completion_tokens_max * price[1] / _MILLION
    if found.unlimited:
        return f"about {prompts:,.2f} for the prompts, {answers:,.2f} or more for the answers"
    return f"about {prompts:,.2f} for the prompts, at most {answers:,.2f} for the answers"


def _time(found: Estimate, options: BatchOptions) -> str:
    """Return what the limits say; what the server takes for an answer nobody knows yet."""
    waves = found.requests / options.job.concurrency
    depends = f"{age(waves)} for each second that an answer takes, {options.job.concurrency:,} at once"
    tokens = found.prompt_tokens + found.completion_tokens_max
    least = max(
        found.requests / options.rpm * _MINUTE if options.rpm else 0.0,
        tokens / options.tpm * _MINUTE if options.tpm else 0.0,
    )
    return f"at least {age(least)} by --rpm and --tpm; {depends}" if least else depends
