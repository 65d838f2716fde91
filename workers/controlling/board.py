"""The board of one worker: which control is run of each key, and which one is not, and why. Pure.

Whatever arrives, the last control that could be run stays. Where there is none yet, what cannot be read holds the task, because
it may have been the order to pause; and what can be read and not be run pauses it if it says so.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from schemas.control import EVERY_TASK, Control, NotRun, Run, Unreadable, control_of

Check = Callable[[Control], str | None]
"""Why this worker cannot do what a control wants; None if it can."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One key's: the control that is run, and a later one that is not.

    `held` says that nothing is run yet, and that what is refused may want a pause, or does.
    """

    control: Control | None = None
    refused: NotRun | None = None
    held: bool = False

    @property
    def version(self) -> int:
        return 0 if self.control is None else self.control.version


class Board:
    """Of a worker with these tasks."""

    def __init__(self, tasks: Collection[str], check: Check = lambda _control: None) -> None:
        self._check = check
        self._standings = dict.fromkeys((*tasks, EVERY_TASK), Standing())

    @property
    def standings(self) -> Mapping[str, Standing]:
        """How every key stands."""
        return self._standings

    def take(self, key: bytes | None, value: bytes | None) -> bool:
        """Take a record of the controls topic, in order; return whether it changes anything here."""
        name = (key or b"").decode(errors="replace")
        before = self._standings.get(name)
        if before is None:
            return False  # another worker's task
        after = self._standings[name] = self._after(before, key, value)
        return after != before

    def paused(self, task: str) -> str | None:
        """Return why nothing of the task may be read, None if it may."""
        for name, whose in ((EVERY_TASK, "every task is"), (task, "")):
            one = self._standings[name]
            if one.control is not None and one.control.paused:
                return f"{whose} paused by {one.control.by}: {one.control.because}".strip()
            if one.held and one.refused is not None:
                return f"held, since the control of {name} cannot be run: {one.refused.why}"
        return None

    def runs(self) -> dict[str, Run]:
        """Return what is run of every key, as it is acknowledged."""
        return {
            name: Run(version=one.version, paused=self.paused(name) is not None, refused=one.refused)
            for name, one in self._standings.items()
        }

    def _after(self, before: Standing, key: bytes | None, value: bytes | None) -> Standing:
        if value is None:
            return Standing()  # withdrawn
        control = control_of(key, value)
        if isinstance(control, Unreadable):
            return replace(before, refused=NotRun(version=None, why=control.why), held=before.control is None)
        if control == before.control:
            return before  # the same record again
        if control.version <= before.version:
            why = f"version {control.version} does not follow version {before.version}, which is run"
            return replace(before, refused=NotRun(version=control.version, why=why))
        if (why_not := self._check(control)) is not None:
            refused = NotRun(version=control.version, why=why_not)
            return replace(before, refused=refused, held=before.control is None and control.paused)
        return Standing(control)
