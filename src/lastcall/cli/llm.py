"""`lastcall llm`: many requests to a model server, each answered exactly once."""
# ruff: noqa: PLC0415 - the extra is imported when a command that needs it runs

from __future__ import annotations

import json
from typing import Any

import click

from ._terminal import ColorChoice, color_option

__all__ = ["command"]

_OWN_PARAMETERS = {"messages": "the input", "prompt": "the input", "model": "--model", "stream": "--stream"}


@click.group("llm", context_settings={"max_content_width": 88})
def command() -> None:
    """
    Talk to servers that speak OpenAI's API: a file of requests to a file of answers.

    \b
    Example:
      lastcall llm batch requests.jsonl answers.jsonl --base-url http://127.0.0.1:8000/v1
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)


def _pairs(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[tuple[str, Any], ...]:
    """Read each NAME=VALUE; a value that is JSON is read as such."""
    return tuple(map(_pair, texts))


def _pair(given: str) -> tuple[str, Any]:
    name, found, text = given.partition("=")
    if not (name and found):
        raise click.BadParameter(f"{given!r} is not NAME=VALUE, for example temperature=0")
    if name in _OWN_PARAMETERS:
        raise click.BadParameter(f"{name!r} is given by {_OWN_PARAMETERS[name]}")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


def _price(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, float] | None:
    """Read IN,OUT: what a million tokens cost."""
    if text is None:
        return None
    try:
        prompt, answer = map(float, text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not two numbers with a comma between, for example 0.15,0.60"
        ) from None
    return prompt, answer


_SECONDS = click.FloatRange(min=0, min_open=True)
_RATE = click.FloatRange(min=0, min_open=True)


@command.command("batch")
@click.argument("source", metavar="INPUT", type=click.Path(allow_dash=True))
@click.argument("output", metavar="OUTPUT", type=click.Path(allow_dash=True), required=False)
@click.option(
    "--base-url",
    "base_urls",
    metavar="URL[=WEIGHT]",
    multiple=True,
    help="The server, for example http://127.0.0.1:8000/v1; give it again for several, each with its share"
    " of the requests. Default: OPENAI_BASE_URL; without that, an embedded server with no model behind it.",
)
@click.option(
    "--env-proxy", is_flag=True, help="Use the proxies that the environment names, HTTPS_PROXY and the like."
)
@click.option("--model", help="Takes the place of the model in every line.")
@click.option(
    "--param",
    "params",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs,
    help="More of every body, in the place of a line's own: temperature=0, stop='[\"###\"]'.",
)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=500, show_default=True, help="Requests at once."
)
@click.option("--rpm", type=_RATE, metavar="N", help="Requests a minute at most.")
@click.option("--tpm", type=_RATE, metavar="N", help="Tokens a minute at most.")
@click.option(
    "--adaptive", is_flag=True, help="Seek the server's own pace, up to --concurrency requests at once."
)
@click.option(
    "--max-retries", type=click.IntRange(min=0), default=5, show_default=True, help="Of each request."
)
@click.option(
    "--timeout", type=_SECONDS, default=600.0, show_default=True, metavar="SECONDS", help="Of one attempt."
)
@click.option(
    "--deadline", type=_SECONDS, metavar="SECONDS", help="Of a request with all its attempts and waiting."
)
@click.option(
    "--stream",
    is_flag=True,
    help="Ask for streams, to measure the time to the first token and between tokens; the answers in OUTPUT"
    " are put together and look the same.",
)
@click.option("--ordered", is_flag=True, help="Write the answers in the order of the input.")
@click.option(
    "--errors",
    metavar="FILE",
    type=click.Path(),
    help="Write what failed to a file of its own, begun anew by each run. Default: to OUTPUT.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take up the first N lines only.")
@click.option(
    "--sample",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=1.0,
    metavar="SHARE",
    help="Take up this share of the lines, 0.01 for one in a hundred; always the same ones.",
)
@click.option(
    "--give-up-after",
    type=click.IntRange(min=0),
    metavar="N",
    help="Stop after N failures in a row that every request must meet: no connection, no answer in time, a"
    " key that is refused, 429, 5xx. 0 never stops. Default: 100, or as many as --concurrency.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Send and write nothing: check every line, count requests and tokens, tell cost and time.",
)
@click.option(
    "--price",
    metavar="IN,OUT",
    callback=_price,
    help="With --dry-run: what a million tokens of prompts and of answers cost, for example 0.15,0.60.",
)
@click.option(
    "--report",
    "reports",
    metavar="FORM:PATH",
    multiple=True,
    help="html:PATH for a page with plots, json:PATH for the figures. May be given again.",
)
@click.option("--quiet", is_flag=True, help="Say nothing unless something is wrong.")
@color_option
def batch(*, color: ColorChoice, dry_run: bool, **options: Any) -> int:
    """
    Send every request in INPUT, and write each answer exactly once to OUTPUT.

    INPUT has one JSON object in a line: OpenAI's Batch format (custom_id, method, url, body), or a body with
    messages or prompt, whose id is made of the line's number. It may end in .gz or .zst; - is stdin. OUTPUT
    has OpenAI's Batch results; - is stdout. The key is read from OPENAI_API_KEY.

    Run the same command again to go on where it stopped, however it stopped: what OUTPUT has an answer to is
    not sent again, unless the request has changed since; what failed is. Ctrl-C finishes what is under way,
    a second one cuts it off; SIGTERM cuts it off after 8 seconds.

    \b
    Examples:
      lastcall llm batch requests.jsonl answers.jsonl --base-url http://127.0.0.1:8000/v1
      lastcall llm batch requests.jsonl --dry-run --price 0.15,0.60
      lastcall llm batch in.jsonl.zst out.jsonl --model small --param temperature=0 \\
          --concurrency 5000 --adaptive --errors failed.jsonl --report html:report.html
      zcat in.jsonl.gz | lastcall llm batch - - --base-url http://a/v1=2 --base-url http://b/v1

    \b
    Exit codes:
      0    every request is answered
      1    some failed, or a line is no request, or a file could not be read or written to its end
      2    wrong use: no such file, OUTPUT is INPUT, OUTPUT holds something else
      130  stopped by Ctrl-C; 143 by SIGTERM, 129 by the end of the terminal
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)
    from ._llm_extra import extra_or_sentence

    with extra_or_sentence():
        from ._llm_batch import run_batch
        from ._llm_dry_run import estimate_batch
        from ._llm_options import BatchOptions

    chosen = BatchOptions.made(color=color, **options)
    return estimate_batch(chosen) if dry_run else run_batch(chosen)
