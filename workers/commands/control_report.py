"""What `nanotriage control` prints: who runs what, and how far a change has come. Pure."""

from collections.abc import Iterator
from typing import Any

from schemas.control import Control, Run, Unreadable
from workers.controlling.picture import Picture, Progress, Seen
from workers.deadletters.display import printable


def picture_rows(picture: Picture, now_ms: int) -> list[tuple[str, ...]]:
    """Return a line for each key and worker, and one for each key that no worker runs."""
    return [tuple(map(printable, row)) for row in _rows(picture, now_ms)]


def _rows(picture: Picture, now_ms: int) -> Iterator[tuple[str, ...]]:
    live = picture.live(now_ms)
    for task in picture.keys(now_ms):
        wanted = picture.wanted.get(task)
        version = _version(wanted)
        said = [(name, seen.ack.runs[task]) for name, seen in live.items() if task in seen.ack.runs]
        if not said:
            yield task, "no worker", "", version, _wants(wanted)
        for name, run in said:
            yield task, name, str(run.version), version, _state(run, wanted)


def picture_json(picture: Picture, now_ms: int) -> dict[str, Any]:
    """Return the same for programs: what is wanted by key, and what each worker said last."""
    wanted = {
        task: {"unreadable": one.why} if isinstance(one, Unreadable) else one.model_dump(mode="json")
        for task, one in sorted(picture.wanted.items())
    }
    workers = [_worker_json(seen, now_ms) for seen in picture.live(now_ms).values()]
    return {"wanted": wanted, "workers": workers, "agreed": not picture.apart(now_ms)}


def _worker_json(seen: Seen, now_ms: int) -> dict[str, Any]:
    return seen.ack.model_dump(mode="json", exclude={"event"}) | {"seconds_ago": max(0, now_ms - seen.at_ms) / 1000}


def answers(came: Progress | None) -> list[tuple[str, str]]:
    """Return a line for each worker that a change concerns."""
    if came is None:
        return []
    rows = {name: f"runs it, {ms / 1000:.1f} s after the change" for name, ms in came.running.items()}
    rows |= {name: f"refuses it: {why}" for name, why in came.refused.items()}
    rows |= dict.fromkeys(came.silent, "has not answered")
    return [(printable(name), printable(rows[name])) for name in sorted(rows)]


def answers_json(control: Control, came: Progress | None) -> dict[str, Any]:
    """Return the change and what became of it for programs; `workers` is null when the change could not be read back."""
    workers = None
    if came is not None:
        workers = [{"worker": name, "answer": "runs", "milliseconds": ms, "why": None} for name, ms in came.running.items()]
        workers += [{"worker": n, "answer": "refuses", "milliseconds": None, "why": w} for n, w in came.refused.items()]
        workers += [{"worker": n, "answer": "silent", "milliseconds": None, "why": None} for n in came.silent]
    return {"control": control.model_dump(mode="json"), "workers": workers}


def sentence(control: Control, came: Progress | None) -> str:
    """Return what a person is told of a change."""
    what = f"version {control.version} of {'every task' if control.task == '*' else control.task}"
    if came is None:
        return f"{what} is published, and could not be read back in time: see `nanotriage control show`"
    total = len(came.running) + len(came.refused) + len(came.silent)
    if not total:
        return f"{what} is published; no worker is there, so those that start will run it"
    slowest = max(came.running.values(), default=0) / 1000
    return f"{what}: {len(came.running)} of {total} workers run it" + (
        f", the last after {slowest:.1f} s" if came.running else ""
    )


def _version(wanted: Control | Unreadable | None) -> str:
    match wanted:
        case None:
            return "0"
        case Unreadable():
            return "unreadable"
        case control:
            return str(control.version)


def _wants(wanted: Control | Unreadable | None) -> str:
    match wanted:
        case None:
            return "as set"
        case Unreadable(why=why):
            return why
        case control:
            return f"{_summary(control)} ({control.by}: {control.because})"


def _summary(control: Control) -> str:
    parts = control.model_dump(
        mode="json", exclude={"event", "task", "version", "by", "because", "paused"}, exclude_defaults=True
    )
    said = [f"{name} {value}" for name, part in parts.items() for value in _flat(part)]
    return ", ".join(["paused" if control.paused else "runs", *said])


def _flat(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (f"{name}={value}" for name, value in part.items() if value is not None)
    else:
        yield str(part)


def _state(run: Run, wanted: Control | Unreadable | None) -> str:
    if run.refused is not None:
        held = ", and reads nothing" if run.paused else ""
        return f"refuses version {run.refused.version or '?'}{held}: {run.refused.why}"
    if wanted is None or isinstance(wanted, Unreadable) or wanted.version != run.version:
        return "paused" if run.paused else "runs"
    return ("paused with every task; by itself it " if run.paused and not wanted.paused else "") + _wants(wanted)
