"""The webhook in the application's OpenAPI description, written by hand."""

from typing import Any

from .event import FORM, JSON

__all__ = ["WEBHOOK_PATH", "webhook_operation"]

WEBHOOK_PATH = "/webhook"

_ANSWERS = {
    "200": "Handled before; dropped",
    "202": "Stored on disk",
    "400": "A header is missing or malformed, or the body is empty",
    "401": "The signature is missing or does not fit",
    "403": "This address may not send",
    "408": "The body took too long",
    "413": "The body is over 25 MB",
    "415": "The body is neither JSON nor a form",
    "503": "It cannot be stored now, or the service is shutting down",
}

_NAME = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,100}$"}
_GUID = {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,100}$"}
_SIGNATURE = {"type": "string", "pattern": "^sha256=[0-9a-f]{64}$"}


def webhook_operation() -> dict[str, Any]:
    """Return the path item of the webhook."""
    form = {"type": "object", "properties": {"payload": {"type": "string"}}, "required": ["payload"]}
    return {
        "post": {
            "summary": "Receive a delivery from GitHub",
            "operationId": "webhook",
            "tags": ["webhook"],
            "parameters": [
                _header("X-GitHub-Event", "Kind of event", _NAME),
                _header("X-GitHub-Delivery", "GUID of the delivery", _GUID),
                _header("X-Hub-Signature-256", "HMAC SHA-256 of the body", _SIGNATURE),
            ],
            "requestBody": {
                "required": True,
                "content": {JSON: {"schema": {"type": "object"}}, FORM: {"schema": form}},
            },
            "responses": {
                status: {"description": text, "content": {"text/plain": {"schema": {"type": "string"}}}}
                for status, text in _ANSWERS.items()
            },
        }
    }


def _header(name: str, description: str, schema: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "description": description, "schema": schema}
