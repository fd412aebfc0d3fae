"""Ask a model every question of a file, many at once; all tasks share one session."""

import asyncio
import sys
import time

import aiohttp
from program import Handle, Messages, Task, endpoint, parse_arguments, tell

from lastcall import get_shared_session


def create_openai_api_handle_async(base_url: str, api_key: str, model: str) -> Handle:
    """Return a function that asks the model."""
    headers = {"Authorization": f"Bearer {api_key}"}

    async def openai_api_handle_async(messages: Messages) -> str:
        session = await get_shared_session()
        body = {"model": model, "messages": messages}
        async with session.post(f"{base_url}/chat/completions", json=body, headers=headers) as response:
            response.raise_for_status()
            data = await response.json()
        return str(data["choices"][0]["message"]["content"])

    return openai_api_handle_async


async def answer_all(tasks: list[Task], concurrent: int) -> None:
    """Answer every task, at most *concurrent* at a time."""
    turns = asyncio.Semaphore(concurrent)

    async def answer(task: Task) -> None:
        async with turns:
            try:
                task.answer = await task.handle(task.messages)
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
