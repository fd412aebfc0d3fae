"""What can be seen in one file alone: suppressed warnings, patched finalizers, keys that lose sessions."""

from __future__ import annotations

import ast
import re

from .model import Spot
from .values import Values, place

__all__ = ["Notices"]

OWN_WORDS = ("Unclosed client session <aiohttp", "Unclosed connector <aiohttp", "Unclosed connection <Client")
"""How aiohttp's messages begin; a filter's message is an expression that has to match the beginning."""

REPORTING = (
    "ClientSession",
    "BaseConnector",
    "TCPConnector",
    "UnixConnector",
    "Connection",
    "ClientResponse",
)


class Notices(Values):
    """Looks at calls and assignments for what no other file can excuse."""

    def notice_call(self, node: ast.Call, callee: list[str]) -> None:
        """Look at a call for what is wrong in one file alone."""
        names = set(callee)
        if names & {"=warnings.filterwarnings", "=warnings.simplefilter"} and _first_text(node) == "ignore":
            self._suppressed(node)
        elif any(name.endswith((".setLevel", ".addFilter")) for name in names):
            self._logger(node)
        elif isinstance(node.func, ast.Name) and node.func.id == "setattr" and len(node.args) > 1:
            patched = isinstance(node.args[1], ast.Constant) and node.args[1].value == "__del__"
            if patched and _is_reporting(self.eval(node.args[0])):
                self.spot("LC062", node, ast.unparse(node.args[0]), "")

    def notice_store(self, target: ast.expr, places: list[str], node: ast.stmt) -> None:
        """Look at an assignment or `del` for what is wrong in one file alone."""
        if isinstance(target, ast.Attribute) and target.attr == "__del__":
            if _is_reporting([value.removesuffix(".__del__") for value in places]):
                self.spot("LC062", node, ast.unparse(target.value), "")
        elif isinstance(target, ast.Subscript):
            kind = self._loop_key(target.slice)
            if kind:
                for value in places:
                    self.spot("LC070", node, ast.unparse(target.value), f"{kind} {value}")

    def spot(self, code: str, node: ast.expr | ast.stmt, subject: str, detail: str) -> None:
        """Record something a rule may want."""
        self.spots.append(Spot(code, self.scope.func, place(node), subject, detail))

    def _suppressed(self, node: ast.Call) -> None:
        words = [_text(arg) for arg in node.args[1:]]
        words += [_text(keyword.value) for keyword in node.keywords if keyword.arg == "message"]
        named = any("nclosed" in word and _matches_own(word) for word in words)
        category = any(
            "ResourceWarning" in ast.unparse(part)
            for part in [*node.args, *(keyword.value for keyword in node.keywords)]
        )
        message = any(keyword.arg == "message" for keyword in node.keywords) or len(_texts(node)) > 1
        if named:
            self.spot("LC060", node, "", "named")
        elif category and not message:
            self.spot("LC060", node, "", "category")

    def _logger(self, node: ast.Call) -> None:
        """Record `logging.getLogger("asyncio").setLevel(CRITICAL)`, which hides the message itself."""
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        level = ast.unparse(node.args[0]) if node.args else ""
        if isinstance(owner, ast.Call) and _first_text(owner) == "asyncio" and "CRITICAL" in level:
            self.spot("LC060", node, "", "logger")

    def _loop_key(self, key: ast.expr) -> str:
        """Return "id" for `id(loop)`, "loop" for a loop itself, "" for any other key."""
        text = ast.unparse(key)
        if isinstance(key, ast.Name):
            mine = self.eval(key)
            if any(self._is_id_of_loop(flow.source) for flow in self.flows if flow.target in mine):
                return "id"
        if text.startswith("id(") and "loop" in text:
            return "id"
        return "loop" if text.rpartition(".")[2] in {"loop", "_loop"} or "get_running_loop" in text else ""

    def _is_id_of_loop(self, value: str) -> bool:
        if not value[1:].isdigit() or not value.startswith("#"):
            return False
        call = self.calls[int(value[1:])]
        if call.callee != ["=builtins.id"]:
            return False
        given = [one for _, values in call.args for one in values]
        made = [name for one in given if one[1:].isdigit() for name in self.calls[int(one[1:])].callee]
        return any("loop" in name for name in (*given, *made))


def _matches_own(expression: str) -> bool:
    """Tell whether a filter's message fits one of aiohttp's."""
    try:
        return any(re.match(expression, own, re.IGNORECASE) for own in OWN_WORDS)
    except re.error:
        return False


def _first_text(node: ast.Call) -> str:
    return _text(node.args[0]) if node.args else ""


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _texts(node: ast.Call) -> list[str]:
    return [text for text in map(_text, node.args) if text]


def _is_reporting(values: list[str]) -> bool:
    """Tell whether one of *values* is a class of aiohttp that reports leaks."""
    return any(value.startswith("=aiohttp") and value.rpartition(".")[2] in REPORTING for value in values)
