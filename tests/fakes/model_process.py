"""The fake model server as a process: started, asked, told to misbehave, killed, and started again on the same port."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

import orjson

ROOT = Path(__file__).resolve().parents[2]
_ANSWER_SECONDS = 10.0


class FakeModel:
    """`options` are the server's flags, e.g. `--latency-ms 20`. A context manager; nothing outlives it."""

    def __init__(self, *options: str, port: int = 0) -> None:
        self.port = port
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the fake model is not running")
        return self._process.pid

    def start(self) -> Self:
        """Start and return once it listens; on the port of before if there was one."""
        command = [sys.executable, "-m", "tests.fakes.model_server", "--port", str(self.port), *self._options]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        try:
            line = self._process.stdout.readline() if self._process.stdout is not None else b""
        except BaseException:  # told to stop meanwhile: nobody else knows the process yet
            self.kill()
            raise
        if not line:
            self._process.wait()
            raise RuntimeError("the fake model did not start; its complaint is on stderr")
        self.port = orjson.loads(line)["port"]
        return self

    def kill(self) -> None:
        """End it with SIGKILL: connections are reset, the port is free again."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def control(self, **wanted: Any) -> None:
        self._request("/control", orjson.dumps(wanted))

    def stats(self, *, texts: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self._request("/stats?texts=1" if texts else "/stats", None))
        return found

    def _request(self, path: str, body: bytes | None) -> bytes:
        request = Request(f"http://127.0.0.1:{self.port}{path}", body)
        with urlopen(request, timeout=_ANSWER_SECONDS) as response:
            answer: bytes = response.read()
        return answer

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
