"""When a container's probe is due and what its answers mean, after the kubelet: pure, time is an argument."""

from dataclasses import dataclass
from typing import Any, Self


@dataclass(slots=True)
class Probe:
    """One probe. Seconds on any clock; `passes` is what it says of the container now."""

    path: str
    port: int | None
    period: float
    timeout: float
    to_fail: int
    to_pass: int
    passes: bool
    due_at: float
    good: int = 0
    bad: int = 0

    @classmethod
    def read(cls, container: dict[str, Any], which: str, now: float) -> Self | None:
        """Return the container's probe `which`, first due at once; None if it has none. Only liveness is assumed until refuted.

        A port's name that the container does not have is no port: such a probe never passes.
        """
        stated = container.get(which)
        if stated is None:
            return None
        asked = stated["httpGet"]
        named = {port.get("name"): port["containerPort"] for port in container.get("ports", ())}
        return cls(
            path=asked["path"],
            port=asked["port"] if isinstance(asked["port"], int) else named.get(asked["port"]),
            period=stated.get("periodSeconds", 10),
            timeout=stated.get("timeoutSeconds", 1),
            to_fail=stated.get("failureThreshold", 3),
            to_pass=stated.get("successThreshold", 1),
            passes=which == "livenessProbe",
            due_at=now + stated.get("initialDelaySeconds", 0),
        )

    def due(self, now: float) -> bool:
        return now >= self.due_at

    def sent(self, now: float) -> None:
        """Say that it is asked now."""
        self.due_at = now + self.period

    def answered(self, well: bool) -> None:
        """Take an answer: `passes` changes once enough in a row say so."""
        self.good, self.bad = (self.good + 1, 0) if well else (0, self.bad + 1)
        if self.good >= self.to_pass:
            self.passes = True
        elif self.bad >= self.to_fail:
            self.passes = False

    @property
    def failed(self) -> bool:
        """Whether as many answers in a row as may fail have failed."""
        return self.bad >= self.to_fail
