"""A loopback server that speaks OpenAI's API, and fails as its script says."""

from __future__ import annotations

import ssl as ssl_module
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from aiohttp import web

from . import openai_shapes as shapes
from .calls import CallLog
from .loopback import LoopbackServer
from .openai_checks import CHAT, EMBEDDINGS, REQUIRED, RESPONSES, TEXT, RefusedError, check, texts_of
from .openai_completion import Completion, complete
from .openai_events import event_stream
from .openai_responses import response_events, response_object
from .openai_shapes import Json
from .script import Answer, Call, Script
from .sending import Reply, send

_JSON = "application/json"
_EVENTS = "text/event-stream; charset=utf-8"
_BODY_MAX = 256 * 2**20
_MODELS = "/v1/models"


class OpenAIServer(LoopbackServer):
    """
    A `LoopbackServer` that answers as OpenAI's API does, with no model behind it.

    It speaks `GET /v1/models`, `POST /v1/chat/completions`, `/v1/completions` and `/v1/responses` (plain
    and streamed) and `POST /v1/embeddings`. What it says depends on the prompt alone, see `completion_text`.
    A request that the API would refuse is refused in the API's way, before the script is asked.
    Several choices (`n`) and log probabilities are given as asked; a function is called when
    `tool_choice` demands one, or the script does.

    Args:
        script: Which requests are answered differently, and how; it may grow while the server runs.

        api_key: The key to demand, with a 401 for any other; None takes every key, and none.

        models: The names that `/v1/models` lists.

        strict_models: Whether a model that is not in *models* is a 404.

        port: The port to listen on; 0 takes any free one.

        ssl: Serves HTTPS with this context; None serves HTTP.

        keepalive: Seconds for which an idle connection is kept.

        records_max: How many requests, calls and ended connections are remembered, the newest.

    Source: OpenAI API reference, "Chat Completions", "Completions", "Responses", "Embeddings", "Models",
    and the guide "Error codes".
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        api_key: str | None = None,
        models: Sequence[str] = ("lastcall-echo",),
        strict_models: bool = False,
        port: int = 0,
        ssl: ssl_module.SSLContext | None = None,
        keepalive: float = 75.0,
        records_max: int = 10_000,
    ) -> None:
        super().__init__(port=port, ssl=ssl, keepalive=keepalive, records_max=records_max)
        self.script = Script() if script is None else script
        self._api_key = api_key
        self._models = tuple(models)
        self._strict_models = strict_models
        self._calls = CallLog(records_max)
        self._prompt_tokens = 0
        self._completion_tokens = 0

    @property
    def base_url(self) -> str:
        """What clients call the base URL (`OPENAI_BASE_URL`): the address with `/v1`."""
        return f"{self.url}/v1"

    @property
    def calls(self) -> list[Call]:
        """One per request that was read wholly, with its body; a copy, in the order of arrival."""
        return self._calls.all()

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts answered so far, as the server counts them."""
        return self._prompt_tokens

    @property
    def completion_tokens(self) -> int:
        """Tokens of all texts made so far, those of streams that were cut included."""
        return self._completion_tokens

    def make_app(self) -> web.Application:
        """Make the application: one handler, since a script may meet any path."""
        app = web.Application(client_max_size=_BODY_MAX)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = await self._calls.read(request, request.path, connection=self.connection_number(request))
        answer = Answer()
        try:
            self._check(call)
            answer = self.script.take(call)
            reply = self._reply(call, answer)
        except RefusedError as refused:
            error = shapes.error_object(
                refused.status, refused.message, param=refused.param, code=refused.code
            )
            reply = _json_reply(error, refused.status)
        request_id = {"x-request-id": f"req_{call.number:08d}"}
        return await send(request, replace(reply, headers=request_id), answer)

    def _check(self, call: Call) -> None:
        """Raise `RefusedError` for what the API refuses."""
        if self._api_key is not None and call.headers.get("Authorization") != f"Bearer {self._api_key}":
            raise RefusedError(401, "Incorrect API key provided.", code="invalid_api_key")
        is_models = call.path == _MODELS or call.path.startswith(f"{_MODELS}/")
        if not is_models and call.path not in REQUIRED:
            raise RefusedError(404, f"Invalid URL ({call.method} {call.path})")
        if call.method != ("GET" if is_models else "POST"):
            raise RefusedError(
                405, f"Not allowed to {call.method} on {call.path}.", code="method_not_supported"
            )
        if not is_models:
            check(call.path, call.json)
        self._check_model(call, is_models=is_models)

    def _check_model(self, call: Call, *, is_models: bool) -> None:
        model = call.path[len(_MODELS) + 1 :] if is_models else call.json["model"]
        if model and model not in self._models and (is_models or self._strict_models):
            message = f"The model '{model}' does not exist or you do not have access to it."
            raise RefusedError(404, message, param="model", code="model_not_found")

    def _reply(self, call: Call, answer: Answer) -> Reply:
        """Return the reply to a call that is in order."""
        if answer.body is not None:
            return Reply(answer.status, _EVENTS if call.stream else _JSON, [answer.body], stream=call.stream)
        if answer.status >= 400:  # noqa: PLR2004
            return _json_reply(
                shapes.error_object(answer.status, answer.message, code=answer.code), answer.status
            )
        if call.path.startswith(_MODELS):
            return _json_reply(self._model_objects(call.path[len(_MODELS) + 1 :]), answer.status)
        if call.path == EMBEDDINGS:
            texts = texts_of(call.path, call.json)
            return _json_reply(shapes.embeddings_object(texts, call.json), answer.status)
        return self._completion_reply(call, answer)

    def _model_objects(self, name: str) -> Json:
        if name:
            return shapes.model_object(name)
        return {"object": "list", "data": [shapes.model_object(model) for model in self._models]}

    def _completion_reply(self, call: Call, answer: Answer) -> Reply:
        name = f"{_IDS[call.path]}{call.number:08d}"
        completion = complete(call.path, call.json, answer, id=name, created=int(time.time()))
        self._prompt_tokens += completion.prompt_tokens
        self._completion_tokens += completion.completion_tokens
        if not call.stream:
            return _json_reply(_OBJECTS[call.path](completion), answer.status)
        return Reply(answer.status, _EVENTS, list(_events(call, answer, completion)), stream=True)


_IDS = {CHAT: "chatcmpl-", TEXT: "cmpl-", RESPONSES: "resp_"}
_OBJECTS: Mapping[str, Callable[[Completion], Json]] = {
    CHAT: shapes.chat_object,
    TEXT: shapes.text_object,
    RESPONSES: response_object,
}


def _events(call: Call, answer: Answer, completion: Completion) -> Iterable[bytes]:
    """Yield the server-sent events of a stream."""
    if call.path == RESPONSES:
        events = response_events(completion, answer.stream_error)
        return event_stream(events, answer, named=True, done=False)
    make = shapes.chat_chunks if call.path == CHAT else shapes.text_chunks
    chunks = list(shapes.with_usage(make(completion), completion, answer.stream_usage))
    if answer.stream_error is not None:
        chunks = [*chunks[: len(chunks) // 2], shapes.error_object(500, answer.stream_error)]
    is_whole = answer.done and answer.stream_error is None
    return event_stream(chunks, answer, named=False, done=is_whole)


def _json_reply(data: Json, status: int) -> Reply:
    return Reply(status, _JSON, [shapes.json_bytes(data)])
