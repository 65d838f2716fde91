"""toxiproxy (https://github.com/Shopify/toxiproxy): a proxy that makes a network bad on request, as a child process.

Built once from its Go module into `.nanotriage/tools`, at a pinned version. A machine without Go goes without.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

import orjson

from tests.helpers import wait_until
from topics.embedded.ports import free_ports

VERSION = "v2.12.0"
MODULE = f"github.com/Shopify/toxiproxy/v2/cmd/server@{VERSION}"
TOOLS = Path(__file__).resolve().parents[2] / ".nanotriage" / "tools"
BUILD_SECONDS = 240.0
_ANSWER_SECONDS = 5.0


class NoToxiproxyError(Exception):
    """The binary is not there and cannot be built; the message says why."""


def binary() -> Path:
    """Return the program, building it if it is not there. Raises NoToxiproxyError."""
    program = TOOLS / f"toxiproxy-{VERSION}"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise NoToxiproxyError("Go is not installed, so faults between worker, broker and model are left out.")
    folder = TOOLS / "build"
    folder.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"GOBIN": str(folder), "GOFLAGS": "-mod=mod"}
    try:
        subprocess.run([go, "install", MODULE], env=environment, capture_output=True, timeout=BUILD_SECONDS, check=True)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise NoToxiproxyError(f"toxiproxy cannot be built: {said[-1] if said else error}.") from error
    except subprocess.TimeoutExpired as error:
        raise NoToxiproxyError(f"toxiproxy was not built within {BUILD_SECONDS:g} s.") from error
    (folder / "server").replace(program)
    return program


class Toxiproxy:
    """Proxies by name, each listening on its port and leading to another. A context manager; nothing outlives it."""

    def __init__(self, program: Path, log: Path) -> None:
        self._program = program
        self._log = log
        (self._port,) = free_ports(1, seed=os.getpid() + 7)
        self._toxics: set[tuple[str, str]] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, name: str, listen: int, to: int) -> None:
        self._ask("/proxies", {"name": name, "listen": f"127.0.0.1:{listen}", "upstream": f"127.0.0.1:{to}", "enabled": True})

    def poison(self, name: str, kind: str, **attributes: int) -> None:
        """Add a toxic to both directions of a proxy: `latency`, `reset_peer` and others."""
        for stream in ("upstream", "downstream"):
            toxic = f"{kind}-{stream}"
            self._ask(f"/proxies/{name}/toxics", {"name": toxic, "type": kind, "stream": stream, "attributes": attributes})
            self._toxics.add((name, toxic))

    def cut(self, name: str) -> None:
        """Close the proxy: its connections end, and new ones are refused."""
        self._ask(f"/proxies/{name}", {"enabled": False})

    def heal(self, name: str) -> None:
        """Take every toxic from the proxy, and open it."""
        for toxic in [toxic for proxy, toxic in self._toxics if proxy == name]:
            self._ask(f"/proxies/{name}/toxics/{toxic}", method="DELETE")
            self._toxics.discard((name, toxic))
        self._ask(f"/proxies/{name}", {"enabled": True})

    def _ask(self, path: str, body: Mapping[str, Any] | None = None, method: str | None = None) -> None:
        content = None if body is None else orjson.dumps(body)
        request = Request(f"http://127.0.0.1:{self._port}{path}", content, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=_ANSWER_SECONDS) as response:
            response.read()

    def _answers(self) -> bool:
        try:
            self._ask("/version")
        except (URLError, OSError):
            return False
        return True

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            command = [str(self._program), "-host", "127.0.0.1", "-port", str(self._port)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, 20)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
