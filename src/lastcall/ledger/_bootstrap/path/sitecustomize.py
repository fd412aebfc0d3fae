"""
Run by `site` at the start of each Python process under `lastcall run`.

It costs next to nothing and imports neither aiohttp nor lastcall. It leaves the path again, waits for
aiohttp to be imported, and hands over to the next `sitecustomize`, as if it had not been there.
It must run on Pythons that lastcall does not support (from 3.6), to say so.
"""

# It runs in every process, so it imports as little as it can: neither pathlib nor contextlib.
# ruff: noqa: INP001, PLC0415, PTH118, PTH120, PTH123

import atexit
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PATH = os.path.dirname(__file__)
PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(PATH)))
SPOOL = os.environ.get("LASTCALL_SPOOL", "")
OLDEST = (3, 11)


class Watch:
    """Begins when aiohttp has been imported; ends after everything else in the process."""

    def __init__(self) -> None:
        self.write_last: Callable[[], None] | None = None
        self.searching = False

    def find_spec(
        self,
        name: str,
        path: "Sequence[str] | None" = None,  # noqa: ARG002
        target: "ModuleType | None" = None,  # noqa: ARG002
    ) -> "ModuleSpec | None":
        """As the first of the finders, let the others find aiohttp, and follow its loader."""
        if name != "aiohttp" or self.searching:
            return None
        import importlib.util

        self.searching = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.searching = False
        if spec is not None and spec.loader is not None:
            self.follow(spec.loader)
        return spec

    def follow(self, loader: "Loader") -> None:
        """Begin when *loader* is through with aiohttp; it stays the loader everybody knows."""

        def exec_module(module: "ModuleType") -> None:
            del loader.exec_module  # uncovers the method
            loader.exec_module(module)
            if module.__name__ == "aiohttp":
                self.begin()

        loader.exec_module = exec_module  # type: ignore[method-assign]

    def begin(self) -> None:
        """Put the ledger under aiohttp; where that fails, say so in the spool and do no harm."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        try:
            import_lastcall()
            from lastcall.ledger._bootstrap import process

            self.write_last = process.begin(SPOOL)
        except Exception as error:  # noqa: BLE001 (whatever it is, the program has nothing to do with it)
            leave_note(f"{type(error).__name__}: {error}")

    def end(self) -> None:
        """Write the last report of this process."""
        if self.write_last is not None:
            self.write_last()


def import_lastcall() -> None:
    """Import lastcall; if this interpreter has none, the one this file belongs to, and nothing beside it."""
    import importlib.util

    if sys.version_info < OLDEST:
        raise RuntimeError("lastcall needs Python 3.11 or later")
    if "lastcall" in sys.modules or importlib.util.find_spec("lastcall") is not None:
        return
    spec = importlib.util.spec_from_file_location(
        "lastcall", os.path.join(PACKAGE, "__init__.py"), submodule_search_locations=[PACKAGE]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["lastcall"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def leave_note(text: str) -> None:
    """Tell `lastcall run` why this process is not watched."""
    try:
        with open(os.path.join(SPOOL, f"{os.getpid()}.note"), "w") as file:
            file.write(f"Python {sys.version.split()[0]}, {text}")
    except OSError:
        pass


def leave_the_path() -> None:
    """Undo what PYTHONPATH did to this process; its children find it in the environment."""
    sys.path[:] = [entry for entry in sys.path if entry != PATH]
    sys.path_importer_cache.pop(PATH, None)


def wait_for_aiohttp() -> None:
    """Begin to watch when aiohttp is imported; nothing happens in a process that never does."""
    with open(os.path.join(SPOOL, "seen"), "a"):
        pass
    watch = Watch()
    # The first to be registered is the last to run: what the program does at its end still counts.
    atexit.register(watch.end)
    if "aiohttp" in sys.modules:
        watch.begin()
    else:
        sys.meta_path.insert(0, watch)


leave_the_path()
try:
    if SPOOL:
        wait_for_aiohttp()
except OSError:
    pass  # `lastcall run` is over, and its spool is gone: a process it left behind runs on alone

# The next one on the path takes this one's place. If there is none, this raises what `site` expects
# of a Python without a sitecustomize, and no trace of this module stays.
del sys.modules["sitecustomize"]
import sitecustomize  # type: ignore[import-not-found]  # noqa: E402, F401
