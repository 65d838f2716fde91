"""One run: one peer on one topic against one model, watched from outside, and judged when it is over."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from tests.bench.figures import Sample
from tests.bench.peers.common import Job
from tests.bench.regimes import Change, Regime
from tests.bench.roster import ROOT, Peer
from tests.bench.topic import Ends

_SAMPLE_SECONDS = 0.25
_START_SECONDS = 90.0
_QUIET_SECONDS = 2.5  # without progress, once everything can be there
_STALL_SECONDS = 15.0  # without progress at all: the rest will not come
_STOP_SECONDS = 10.0
SESSION_SECONDS = 6.0


@dataclass(slots=True)
class Trace:
    """What was seen of a run. `killed_at` is the count of events then; `why` is why it ended before its time, or None."""

    samples: list[Sample] = field(default_factory=list)
    started_at: float = 0.0
    first_event_at: float | None = None
    kills: int = 0
    killed_at: int | None = None
    why: str | None = None


class Subject:
    """A peer's processes and their children. Ended by `end`, whatever they do."""

    def __init__(self, peer: Peer, job: Path, environment: Mapping[str, str], count: int) -> None:
        self._command, self._environment = peer.command(job), dict(environment)
        self.log = job.with_suffix(".log")
        self._processes: list[psutil.Popen] = []
        self._spent = 0.0
        for _ in range(count):
            self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            process = psutil.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        self._processes.append(process)

    @property
    def stopped(self) -> str | None:
        """Why one ended by itself, or None while all run."""
        code = next((code for process in self._processes if (code := process.poll()) is not None), None)
        if code is None:
            return None
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return f"it ended with code {code}: {lines[-1][:300] if lines else 'it said nothing'}"

    def sample(self, now: float) -> Sample | None:
        """Return the use of CPU and memory so far, children and the dead included; None when one has just gone."""
        with suppress(psutil.Error):
            family = [member for process in self._processes for member in (process, *process.children(recursive=True))]
            return Sample(now, self._spent + sum(_cpu(m) for m in family), sum(m.memory_info().rss for m in family))
        return None

    def kill_oldest(self) -> None:
        """SIGKILL for the oldest process and its children: nothing is said to anybody."""
        process = self._processes.pop(0)
        with suppress(psutil.Error):
            self._spent += _cpu(process)
        _kill(process)

    def end(self) -> None:
        """SIGTERM for all, and SIGKILL where that does not help."""
        for process in self._processes:
            with suppress(psutil.Error):
                process.terminate()
        psutil.wait_procs(self._processes, _STOP_SECONDS)
        for process in self._processes:
            _kill(process)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _kill(process: psutil.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@asynccontextmanager
async def started(peer: Peer, job: Job, file: Path, environment: Mapping[str, str], count: int) -> AsyncIterator[Subject]:
    """Write the job and run the peer meanwhile."""
    await asyncio.to_thread(file.write_text, json.dumps(asdict(job)), encoding="utf-8")
    subject = Subject(peer, file, environment, count)
    try:
        yield subject
    finally:
        await asyncio.to_thread(subject.end)


@dataclass(frozen=True, slots=True)
class Eyes:
    """How a run is seen: the ends of the outputs, whether every message has its event, and who is told of the progress."""

    ends: Ends
    complete: Callable[[], Awaitable[bool]]
    report: Callable[[int, float], None]


async def watch(subject: Subject, eyes: Eyes, regime: Regime, most_seconds: float) -> Trace:
    """Look at the run until it is over and return what was seen.

    The count of events does not tell that all are there: some may be doubled and others missing. When it is large enough
    and rests, what came is read.
    """
    trace = Trace(started_at=time.time())
    seen, moved_at, looked, changes = 0, time.time(), False, list(regime.changes)
    while True:
        await asyncio.sleep(_SAMPLE_SECONDS)
        found, now = await eyes.ends.seen(), time.time()
        if found > seen:
            looked = False
            seen, moved_at = found, now
            trace.first_event_at = trace.first_event_at or now
        if (sample := subject.sample(now)) is not None:
            trace.samples.append(sample)
        eyes.report(seen, now - trace.started_at)
        if changes and seen >= regime.messages * changes[0][0]:
            if changes[0][1] == "kill":
                trace.killed_at = seen
            _change(subject, trace, changes.pop(0)[1])
            moved_at, looked = time.time(), False
        elif (why := _over(trace, subject, regime, most_seconds, now - moved_at)) is not None:
            trace.why = why or (f"it stood still before the {changes[0][1]}" if changes else None)
            return trace
        elif seen >= regime.messages and now - moved_at > _QUIET_SECONDS and not looked:
            looked = True
            if await eyes.complete():
                return trace


def _change(subject: Subject, trace: Trace, change: Change) -> None:
    if change == "kill":
        subject.kill_oldest()
        trace.kills += 1
    else:
        subject.start()


def _over(trace: Trace, subject: Subject, regime: Regime, most_seconds: float, quiet: float) -> str | None:
    """Return why the run is over: nothing to say ("") when its time is up or no more will come; None while it goes on."""
    now = time.time()
    if (why := subject.stopped) is not None:
        return why
    if trace.first_event_at is None:
        return "no event within the time to start" if now - trace.started_at > _START_SECONDS else None
    if now - trace.first_event_at > most_seconds:
        return "not done in its time" if regime.drains else ""
    if quiet > _STALL_SECONDS + (SESSION_SECONDS if trace.kills else 0.0):
        return "" if regime.drains else f"nothing came for {_STALL_SECONDS:g} s"  # what did not come is counted as lost
    return None


def environment_of_peers(base: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for other programs: no settings of ours."""
    return {name: value for name, value in base.items() if not name.startswith(("NANOTRIAGE_", "OPENAI_"))}
