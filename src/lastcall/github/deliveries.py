"""The deliveries as JSON and as a page for people, and the button that replays one."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from lastcall.page import assemble_files

from .event import readable
from .guard import Guard
from .inbox import State, Summary
from .runtime import Runtime, runtime_of

__all__ = ["deliveries_router"]

RuntimeOf = Annotated[Runtime, Depends(runtime_of)]


class HandlerView(BaseModel):
    """How one handler fared with a delivery."""

    done: bool
    failures: int
    error: str | None


class DeliveryView(BaseModel):
    """A delivery in a list. Times are seconds since the epoch."""

    delivery_id: str
    event: str
    state: State
    attempts: int
    crashes: int
    received_at: float
    not_before: float
    finished_at: float | None
    last_error: str | None
    handlers: dict[str, HandlerView]


class DeliveryList(BaseModel):
    """Deliveries, the newest first, and how many there are in all."""

    deliveries: list[DeliveryView]
    counts: dict[State, int]


class WholeDelivery(DeliveryView):
    """A delivery with its payload, or the text of a body that is no JSON object."""

    payload: dict[str, Any] | str


class Replayed(BaseModel):
    """What a replay found."""

    delivery_id: str
    was: State


def deliveries_router(guard: Guard) -> APIRouter:
    """
    Return the routes under `/deliveries`.

    Args:
        guard: Of everything. The page itself, which holds no data, is open where a token is asked for,
            because a browser has to show something that asks.
    """
    guarded = [Depends(guard)]
    router = APIRouter(tags=["deliveries"])
    page = [] if guard.has_token else guarded
    refused: dict[int | str, dict[str, Any]] = {
        401: {"description": "The token is missing or wrong"},
        403: {"description": "Only this machine may see this"},
    }
    missing: dict[int | str, dict[str, Any]] = {**refused, 404: {"description": "There is no such delivery"}}
    router.add_api_route(
        "/deliveries",
        _page,
        dependencies=page,
        response_class=HTMLResponse,
        summary="Page",
        responses=refused,
    )
    router.add_api_route("/deliveries.json", _list, dependencies=guarded, responses=refused, summary="List")
    router.add_api_route(
        "/deliveries/{delivery_id}.json", _show, dependencies=guarded, responses=missing, summary="Show"
    )
    router.add_api_route(
        "/deliveries/{delivery_id}/replay",
        _replay,
        methods=["POST"],
        dependencies=guarded,
        responses={**missing, 409: {"description": "It is being handled now"}},
        status_code=202,
        summary="Replay",
    )
    return router


async def _page() -> HTMLResponse:
    page = assemble_files("Deliveries · lastcall", __package__, "deliveries")
    return HTMLResponse(page.html, headers=dict(page.headers))


async def _list(
    runtime: RuntimeOf,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[str | None, Query(max_length=100, description="Only older than this delivery")] = None,
) -> DeliveryList:
    found = await runtime.inbox.list(state=state, limit=limit, before=before)
    counts = dict(await runtime.inbox.counts())
    return DeliveryList(deliveries=[DeliveryView(**_fields(one)) for one in found], counts=counts)


async def _show(runtime: RuntimeOf, delivery_id: str) -> WholeDelivery:
    found = await runtime.inbox.get(delivery_id)
    if found is None:
        raise HTTPException(404, "there is no such delivery")
    return WholeDelivery(**_fields(found.summary), payload=readable(found.content_type, found.body))


async def _replay(runtime: RuntimeOf, delivery_id: str) -> Replayed:
    was = await runtime.inbox.replay(delivery_id)
    if was is None:
        raise HTTPException(404, "there is no such delivery")
    if was is State.RUNNING:
        raise HTTPException(409, "it is being handled now")
    runtime.worker.wake()
    return Replayed(delivery_id=delivery_id, was=was)


def _fields(summary: Summary) -> dict[str, Any]:
    fields = {name: getattr(summary, name) for name in DeliveryView.model_fields if name != "handlers"}
    handlers = {
        name: HandlerView(done=one.done, failures=one.failures, error=one.error)
        for name, one in summary.handlers.items()
    }
    return {**fields, "handlers": handlers}
