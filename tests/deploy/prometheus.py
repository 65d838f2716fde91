"""A real Prometheus with the chart's rules, on a port of its own: started, asked, killed."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.deploy import tools
from tests.deploy.chart import CHART
from tests.helpers import wait_until
from topics.embedded.ports import free_ports


class Prometheus:
    """Looks at `scraped` (its scrape_configs) and evaluates the rules every so many seconds. A context manager."""

    def __init__(self, folder: Path, scraped: Sequence[Mapping[str, Any]], every_seconds: int = 1) -> None:
        every = f"{every_seconds}s"
        rules = (CHART / "files" / "rules.yaml").read_text(encoding="utf-8").replace("interval: 15s", f"interval: {every}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rules.yaml").write_text(rules)
        configuration = {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": ["rules.yaml"],
            "scrape_configs": list(scraped),
        }
        (folder / "prometheus.yml").write_text(json.dumps(configuration))
        (port,) = free_ports(1, seed=9090)
        self._folder, self._listens = folder, f"127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://{self._listens}"

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of an instant query, those that are no number left out. Raises OSError while nobody answers."""
        with urlopen(f"{self.address}/api/v1/query?{urlencode({'query': query})}", timeout=10) as answer:
            rows: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return [row for row in rows if row["value"][1] != "NaN"]

    def kill(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    tools.prometheus(),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address={self._listens}",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._ready, 30)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            with urlopen(f"{self.address}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
