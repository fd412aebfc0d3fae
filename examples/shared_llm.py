"""Ask a model every question of a file, many at once; all tasks share one session."""

import asyncio
import sys
import time

from program import Task, endpoint, parse_arguments, tell

from lastcall.llm import LLMError, create_openai_api_handle_async


async def answer_all(tasks: list[Task], concurrent: int) -> None:
    """Answer every task, at most *concurrent* at a time."""
    turns = asyncio.Semaphore(concurrent)

    async def answer(task: Task) -> None:
        async with turns:
            try:
                task.take(await task.handle(task.messages))
            except LLMError as error:
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
