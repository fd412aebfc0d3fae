"""What people write for a batch: a task for each line, `gather`, json in and out; for `peers.py`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp


async def main(source: str, target: str, base_url: str, at_once: int) -> None:
    """Send every line's body, and write all replies at the end."""
    requests = [json.loads(line) for line in Path(source).read_text().splitlines()]  # noqa: ASYNC240
    permits = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:

        async def ask(request: dict[str, Any]) -> str:
            url = f"{base_url}/{request['url'].removeprefix('/v1/')}"
            async with permits, session.post(url, json=request["body"]) as response:
                reply = {"status_code": response.status, "body": await response.json()}
            return json.dumps({"custom_id": request["custom_id"], "response": reply, "error": None})

        lines = await asyncio.gather(*map(ask, requests))
    Path(target).write_text("\n".join(lines) + "\n")  # noqa: ASYNC240


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
