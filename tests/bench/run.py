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
from tests.bench.regimes import Regime
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
    """What was seen of a run. `why` is why it ended before its time, or None."""

    samples: list[Sample] = field(default_factory=list)
    started_at: float = 0.0
    first_event_at: float | None = None
    kills: int = 0
    why: str | None = None


class Subject:
    """A peer's process and its children. Ended by `end`, whatever it does."""

    def __init__(self, peer: Peer, job: Path, environment: Mapping[str, str]) -> None:
        self._command, self._environment = peer.command(job), dict(environment)
        self.log = job.with_suffix(".log")
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = psutil.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def stopped(self) -> str | None:
        """Why it ended by itself, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return f"it ended with code {code}: {lines[-1][:300] if lines else 'it said nothing'}"

    def sample(self, now: float) -> Sample | None:
        """Return the use of CPU and memory so far, children included; None when it has just gone."""
        with suppress(psutil.Error):
            family = [self._process, *self._process.children(recursive=True)]
            times = [member.cpu_times() for member in family]
            return Sample(now, sum(t.user + t.system for t in times), sum(m.memory_info().rss for m in family))
        return None

    def kill(self) -> None:
        """SIGKILL for it and its children: nothing is said to anybody."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        """SIGTERM, and SIGKILL if that does not help."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(psutil.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        self.kill()


@asynccontextmanager
async def started(peer: Peer, job: Job, file: Path, environment: Mapping[str, str]) -> AsyncIterator[Subject]:
    """Write the job and run the peer meanwhile."""
    await asyncio.to_thread(file.write_text, json.dumps(asdict(job)), encoding="utf-8")
    subject = Subject(peer, file, environment)
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
    seen, moved_at, looked = 0, time.time(), False
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
        if trace.kills < regime.kills and seen >= regime.messages * (trace.kills + 1) / (regime.kills + 1):
            subject.kill()
            trace.kills += 1
            subject.start()
            moved_at = time.time()
            looked = False
        elif (why := _over(trace, subject, regime, most_seconds, now - moved_at)) is not None:
            trace.why = why or None
            return trace
        elif seen >= regime.messages and now - moved_at > _QUIET_SECONDS and not looked:
            looked = True
            if await eyes.complete():
                return trace


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
