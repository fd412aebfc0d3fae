"""`python -m lastcall.testing openai --port 0`: a loopback server for people, until Ctrl-C."""

# ruff: noqa: T201 (this module is a command)

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Sequence

from .loopback import LoopbackServer
from .openai import OpenAIServer
from .script import Answer, Script

_WAIT_AT_ONCE = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; return 0, or 2 if the port cannot be had."""
    options = _parser().parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with _server(options) as server:
            print(server.base_url if isinstance(server, OpenAIServer) else server.url, flush=True)
            print("serving until Ctrl-C", file=sys.stderr)
            # On Windows only a wait with a limit is interrupted by Ctrl-C.
            while not ended.wait(_WAIT_AT_ONCE):
                pass
    except OSError as error:
        print(f"cannot serve on port {options.port}: {error.strerror or error}", file=sys.stderr)
        return 2
    print(
        f"requests: {server.requests_count}, connections: {server.connections_opened}, "
        f"at most {server.connections_peak} at once",
        file=sys.stderr,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lastcall.testing",
        description="Serve on 127.0.0.1 until Ctrl-C. The address is the one line on stdout.",
        epilog='example: export OPENAI_BASE_URL="http://127.0.0.1:8100/v1" after '
        '"python -m lastcall.testing openai --port 8100"',
    )
    parser.add_argument(
        "kind",
        choices=["openai", "loopback"],
        help="an OpenAI-compatible server, or the routes used in tests",
    )
    parser.add_argument("--port", type=_port, default=0, help="default: any free one")
    parser.add_argument("--delay", type=_seconds, default=0.0, help="openai: seconds before each answer")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if (seconds := float(text)) >= 0:
            return seconds
    raise argparse.ArgumentTypeError(f"a delay is a number of seconds, not {text!r}")


def _server(options: argparse.Namespace) -> LoopbackServer:
    if options.kind == "loopback":
        return LoopbackServer(port=options.port)
    return OpenAIServer(Script(default=Answer(delay=options.delay)), port=options.port)


if __name__ == "__main__":
    sys.exit(main())
