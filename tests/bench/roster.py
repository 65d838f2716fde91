"""Who runs: the worker, the bare loop, and programs on other frameworks, each as its documentation would have it written."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.java import java, no_java

ROOT = Path(__file__).resolve().parents[2]
BENCH_PYTHON = ROOT / ".nanotriage" / "bench" / "bin" / "python"
WORKER = "worker"
SUBJECTS = (WORKER, "bare")  # they run on the project's own environment
PYTHON = ("faust", "arroyo", "quix", "faststream", "bytewax")  # the frameworks as they are documented
_QUIX_THREADS = "Quix Streams, threads of our own in its sink"
_PARALLEL, _FLINK = "parallel-consumer.lock", "flink.lock"


@dataclass(frozen=True, slots=True)
class Peer:
    """`command` takes the job's file; `missing` says why the peer cannot run here, or None; `only` names its regimes."""

    name: str
    title: str
    promise: str
    command: Callable[[Path], Sequence[str]]
    missing: Callable[[], str | None] = lambda: None
    only: tuple[str, ...] | None = None


def _module(name: str, *words: str) -> Callable[[Path], Sequence[str]]:
    return lambda job: [str(BENCH_PYTHON), "-m", f"tests.bench.peers.{name}", *words, str(job)]


def _no_environment() -> str | None:
    return None if BENCH_PYTHON.exists() else "its environment is not there: `make bench` makes it"


def _worker(job: Path) -> Sequence[str]:
    return [sys.executable, "-m", "workers", "run", "--task", str(job.with_suffix(".yaml"))]


def _bare(job: Path) -> Sequence[str]:
    return [sys.executable, "-m", "tests.bench.peers.bare", str(job)]


ROSTER = {
    peer.name: peer
    for peer in (
        Peer(WORKER, "nanotriage", "exactly once", _worker),
        Peer("bare", "bare loop (aiokafka)", "none (unsafe commits)", _bare),
        Peer("faust", "faust, agent with take()", "at least once", _module("faust_agent"), _no_environment),
        Peer("arroyo", "Arroyo", "at least once", _module("arroyo_steps"), _no_environment),
        Peer("quix", "Quix Streams, batching sink", "at least once", _module("quix_sink"), _no_environment, only=("cpu",)),
        Peer("quix-threads", _QUIX_THREADS, "at least once", _module("quix_sink", "threads"), _no_environment),
        Peer("faststream", "FastStream, batch subscribers", "at least once", _module("faststream_batches"), _no_environment),
        Peer("bytewax", "Bytewax", "at least once", _module("bytewax_flow"), _no_environment),
        Peer(
            "parallel",
            "Parallel Consumer",
            "at least once",
            java("ParallelConsumerPeer", _PARALLEL, "at-least-once"),
            no_java(_PARALLEL),
        ),
        Peer(
            "parallel-tx",
            "Parallel Consumer, transactional",
            "exactly once",
            java("ParallelConsumerPeer", _PARALLEL, "transactional"),
            no_java(_PARALLEL),
        ),
        Peer("flink", "Flink, async I/O", "exactly once", java("FlinkPeer", _FLINK), no_java(_FLINK)),
    )
}
