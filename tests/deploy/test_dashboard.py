"""Every panel of the dashboard is answered by a real Prometheus with the chart's rules, from what a worker exposes."""

import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client import Counter, Gauge

from tests.deploy.chart import CHART, one, render
from tests.deploy.prometheus import Prometheus
from tests.helpers import wait_until
from workers.metrics import HOLDERS, Metrics, catalogue
from workers.metrics.declared import declarations

# The rules select by these; any other label has one value.
VALUES = {"kind": ("input", "output", "tokens", "requests"), "outcome": ("labelled", "dead")}
DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))
QUERIES = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
}


class Exposed(threading.Thread):
    """/metrics of a worker and of what runs beside it, with every metric of the catalogue, each moving with each look at it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        exposed = [Metrics("0.0.0"), *(holder() for holder in HOLDERS if holder is not Metrics)]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                for metrics in exposed:
                    move(metrics)
                body = b"".join(metrics.exposition() for metrics in exposed)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def run(self):
        self.server.serve_forever(poll_interval=0.05)


def move(metrics):
    for name, declared in declarations(type(metrics)):
        metric = getattr(metrics, name)
        for values in itertools.product(*(VALUES.get(label, ("x",)) for label in declared.labels)):
            child = metric.labels(*values) if values else metric
            if isinstance(metric, Counter):
                child.inc(3)
            elif isinstance(metric, Gauge):
                child.set(5)
            else:
                child.observe(0.3)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """A Prometheus that looks every second."""
    exposed = Exposed()
    exposed.start()
    target = f"127.0.0.1:{exposed.server.server_port}"
    scraped = [{"job_name": "nanotriage", "static_configs": [{"targets": [target], "labels": {"namespace": "triage"}}]}]
    try:
        with Prometheus(tmp_path_factory.mktemp("prometheus"), scraped) as server:
            yield server
    finally:
        exposed.server.shutdown()


def answers(prometheus, query):
    return prometheus.ask(query.replace("$__rate_interval", "1m").replace("$namespace", "triage").replace("$job", ".*"))


def test_every_panel_shows_something(prometheus):
    """None is empty, none refused: names, labels and the recorded rules agree with what is exposed."""
    assert len(QUERIES) > len(catalogue())
    deadline = time.monotonic() + 60
    empty = dict(QUERIES)
    while empty and time.monotonic() < deadline:
        empty = {title: query for title, query in empty.items() if not answers(prometheus, query)}
    assert empty == {}


def test_a_panel_on_a_metric_that_is_gone_is_empty(prometheus):
    """The control: what the test above would see."""
    assert answers(prometheus, QUERIES["Seconds of lag A"].replace("lag:seconds", "lag:minutes")) == []


def test_the_budget_that_keda_asks_for_is_there(prometheus):
    """The query of the ScaledObject, on the rules of the PrometheusRule, from the metrics of a worker."""
    triggers = one(render({"scaling": {"mode": "budget"}}), "ScaledObject")["spec"]["triggers"]
    (query,) = [trigger["metadata"]["query"] for trigger in triggers if trigger["type"] == "prometheus"]
    wait_until(lambda: answers(prometheus, query), 60)
    (row,) = answers(prometheus, query)
    assert 0 < float(row["value"][1]) < 1e9
