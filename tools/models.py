"""
Run the tests of `lastcall.llm` against model servers that nobody here wrote, with tiny random weights.

    python tools/models.py                 every server
    python tools/models.py mlx-lm          one of them

mlx-lm (Apple's, on Linux too) is installed in seconds and takes 360 MB; llama.cpp's `llama-server` is built
from the sources inside the sdist of llama-cpp-python, which takes 8 minutes, once. Both are kept in
`.cache/models`. A server that cannot be had on this machine is skipped with a printed reason. Exit
status: 0 when the tests passed against every server that ran, 1 otherwise, 2 for a name that is no server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from lanes import ROOT, LaneSkippedError, passes
from tiny_models import write_gguf, write_hf

CACHE = ROOT / ".cache" / "models"
MLX = ("mlx[cpu]==0.32.4", "mlx-lm==0.32.2")
LLAMA = "llama-cpp-python==0.3.36"
LLAMA_OPTIONS = ("CURL", "BUILD_TESTS", "BUILD_EXAMPLES", "BUILD_WEBUI", "BUILD_UI")
TESTS = ROOT / "tests" / "llm" / "counterparts" / "test_real_server.py"
_INSTALL_LIMIT = 300.0
_BUILD_LIMIT = 3600.0
_START_LIMIT = 60.0
_END_LIMIT = 10.0


def main(names: list[str]) -> int:
    """Run the tests against the servers of these names, all when there are none; return the exit status."""
    servers: dict[str, Callable[[], None]] = {"mlx-lm": against_mlx, "llama.cpp": against_llama}
    if unknown := set(names) - set(servers):
        print(f"no server is called {', '.join(sorted(unknown))}; there are: {', '.join(servers)}")
        return 2
    chosen = {name: lane for name, lane in servers.items() if not names or name in names}
    failed = [name for name, lane in chosen.items() if not passes(name, lane)]
    print(f"models: {len(chosen) - len(failed)} passed or skipped, {len(failed)} failed", *failed, flush=True)
    return bool(failed)


def against_mlx() -> None:
    """The handle and the batch command against mlx-lm's server (HTTP/1.0, comments in its streams)."""
    python = install_mlx()
    model = CACHE / "tiny-hf"
    write_hf(model)
    port = free_port()
    command = [str(python), "-m", "mlx_lm", "server", "--model", str(model), "--port", str(port)]
    with running(command, port, "/v1/models"):
        run_tests("mlx-lm", port, "default_model")


def against_llama() -> None:
    """The handle and the batch command against llama.cpp's server (closes after streams without a word)."""
    program = build_llama()
    model = CACHE / "tiny.gguf"
    write_gguf(model)
    port = free_port()
    command = [str(program), "-m", str(model), "--port", str(port), "--alias", "tiny"]
    command += ["-c", "65536", "-np", "64", "-t", "1", "--jinja"]
    with running(command, port, "/health"):
        run_tests("llama.cpp", port, "tiny")


def install_mlx() -> Path:
    """Return the Python of an environment with mlx-lm, made if it is not there."""
    venv = CACHE / "mlx"
    python = venv / "bin" / "python"
    stamp = venv / ".ready"
    if stamp.exists() and stamp.read_text() == " ".join(MLX):
        return python
    if os.name == "nt":
        raise LaneSkippedError("mlx has no wheel for Windows")
    attempt([sys.executable, "-m", "venv", "--clear", str(venv)], "make an environment", _INSTALL_LIMIT)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install", *MLX]
    attempt(pip, "install mlx-lm", _INSTALL_LIMIT)
    stamp.write_text(" ".join(MLX))
    return python


def build_llama() -> Path:
    """Return the program `llama-server`, built if it is not there."""
    program = CACHE / f"llama-server-{LLAMA.partition('==')[2]}"
    if program.exists():
        return program
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            raise LaneSkippedError(f"llama.cpp is built with {tool}, which is not on this machine")
    sources, built = llama_sources(), CACHE / "llama.cpp"
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF"]
    options += [f"-DLLAMA_{name}=OFF" for name in LLAMA_OPTIONS]
    print("building llama-server: about 8 minutes on two cores, once", flush=True)
    attempt(["cmake", "-S", str(sources), "-B", str(built), *options], "configure llama.cpp", _INSTALL_LIMIT)
    make = ["cmake", "--build", str(built), "--target", "llama-server", f"-j{os.cpu_count() or 1}"]
    attempt(make, "build llama.cpp", _BUILD_LIMIT)
    shutil.copy2(built / "bin" / "llama-server", program)
    for left in (built, CACHE / "src"):
        shutil.rmtree(left)
    return program


def llama_sources() -> Path:
    """Return the folder with llama.cpp's sources, fetched and unpacked."""
    folder = CACHE / "src"
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download", "--no-deps"]
    pip += ["--no-binary", "llama-cpp-python", "--dest", str(folder), LLAMA]
    attempt(pip, "download the sources of llama-cpp-python", _INSTALL_LIMIT)
    archive = next(folder.glob("llama_cpp_python-*.tar.gz"))
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz") / "vendor" / "llama.cpp"


def attempt(command: list[str], what: str, limit: float) -> None:
    """Run a command whose failure means that this machine cannot have the server."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=limit)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LaneSkippedError(f"could not {what}: {last[:200]}") from error
    except (subprocess.TimeoutExpired, OSError) as error:
        raise LaneSkippedError(f"could not {what}: {type(error).__name__}") from error


@contextlib.contextmanager
def running(command: list[str], port: int, path: str) -> Iterator[None]:
    """Run a server for as long as the block lasts; it is there once it answers at *path*."""
    log = CACHE / f"server-{port}.log"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process,
    ):
        try:
            wait_for(process, f"http://127.0.0.1:{port}{path}", log)
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_LIMIT)
            process.kill()
    log.unlink()


def wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Return once *url* is answered; skip the lane if that does not come."""
    until = time.monotonic() + _START_LIMIT
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    last = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    raise LaneSkippedError(f"the server did not start: {last[:200]}")


def run_tests(kind: str, port: int, model: str) -> None:
    """Run the tests against a server that runs; raise CalledProcessError when they fail."""
    told = {"KIND": kind, "URL": f"http://127.0.0.1:{port}/v1", "NAME": model}
    environment = {**os.environ, **{f"LASTCALL_MODEL_{key}": value for key, value in told.items()}}
    subprocess.run([sys.executable, "-m", "pytest", "-q", str(TESTS)], check=True, cwd=ROOT, env=environment)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
