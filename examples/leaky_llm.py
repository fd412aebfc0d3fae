"""Ask a model every question of a file, many at once; every task opens a session of its own."""

import asyncio
import sys
import time

import aiohttp
from program import Completion, Handle, Messages, Task, endpoint, parse_arguments, tell


def create_openai_api_handle_async(base_url: str, api_key: str, model: str) -> Handle:
    """Return a function that asks the model."""
    headers = {"Authorization": f"Bearer {api_key}"}
    session: aiohttp.ClientSession | None = None

    async def openai_api_handle_async(messages: Messages) -> Completion:
        nonlocal session
        if session is None or session.closed:
            session = aiohttp.ClientSession()
        body = {"model": model, "messages": messages}
        async with session.post(f"{base_url}/chat/completions", json=body, headers=headers) as response:
            response.raise_for_status()
            completion: Completion = await response.json()
        return completion

    return openai_api_handle_async


async def answer_all(tasks: list[Task], concurrent: int) -> None:
    """Answer every task, at most *concurrent* at a time."""
    turns = asyncio.Semaphore(concurrent)

    async def answer(task: Task) -> None:
        async with turns:
            try:
                task.take(await task.handle(task.messages))
            except (aiohttp.ClientError, TimeoutError) as error:
                task.error = error

    await asyncio.gather(*map(answer, tasks))


def main() -> int:
    """Run the program and return its exit code."""
    arguments = parse_arguments(__doc__)
    with endpoint(arguments.model) as (base_url, api_key, model):
        started = time.perf_counter()
        tasks = [
            Task(messages, create_openai_api_handle_async(base_url, api_key, model))
            for messages in arguments.requests
        ]
        asyncio.run(answer_all(tasks, arguments.concurrent))
        return tell(tasks, time.perf_counter() - started, hold=arguments.hold)


if __name__ == "__main__":
    sys.exit(main())
