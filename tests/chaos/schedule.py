"""Which fault comes when: values, made from a seed by a pure function.

Faults of one lane never overlap, so there is never more than one broker down; faults of different lanes do, as in life.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """One way to disturb the workers, the brokers, or what lies between them and the model."""

    WORKER_KILL = "worker killed, heir starts"
    WORKER_FREEZE = "worker frozen past its session"
    WORKER_LEAVE = "worker leaves, heir joins"
    JOIN_STORM = "two join and leave"
    BROKER_KILL = "broker killed and restarted"
    ROLLING_RESTART = "rolling restart of the brokers"
    GROUP_COORDINATOR_KILL = "group coordinator killed"
    TRANSACTION_COORDINATOR_KILL = "transaction coordinator killed"
    PARTITION_ADDED = "partition added"
    BROKER_WIRE_SLOW = "wire to a broker: latency"
    BROKER_WIRE_RESET = "wire to a broker: resets"
    BROKER_WIRE_CUT = "wire to a broker: cut"
    MODEL_WIRE_SLOW = "wire to the model: latency"
    MODEL_WIRE_RESET = "wire to the model: resets"
    MODEL_WIRE_CUT = "wire to the model: cut"
    MODEL_429 = "model: 429"
    MODEL_429_WITH_HEADER = "model: 429 with Retry-After"
    MODEL_500 = "model: 500"
    MODEL_HANG = "model: hang"
    MODEL_DRIP = "model: slow drip"
    MODEL_TRUNCATED = "model: truncated JSON"
    MODEL_CUT_BODY = "model: half a body"
    MODEL_MISSING = "model: item missing"
    MODEL_DOUBLED = "model: item doubled"
    MODEL_ALIEN = "model: alien ref"
    MODEL_SWAPPED = "model: swapped refs"
    MODEL_REFUSAL = "model: refusal"
    MODEL_HTML = "model: 200 with HTML"
    MODEL_ERROR_BODY = "model: 200 with an error"
    MODEL_RESET = "model: reset mid-body"


@dataclass(frozen=True, slots=True)
class Fault:
    """At `at_seconds` of the run, for about `seconds`; `pick` decides the victim among those alive then."""

    at_seconds: float
    kind: Kind
    seconds: float
    pick: int


@dataclass(frozen=True, slots=True)
class LaneOfFaults:
    """What may happen one after the other: each kind with its shortest and longest time, and the pause after each fault."""

    name: str
    kinds: Mapping[Kind, tuple[float, float]]
    pause: tuple[float, float]
    most: int = 1_000


BROKER_WIRES = (Kind.BROKER_WIRE_SLOW, Kind.BROKER_WIRE_RESET, Kind.BROKER_WIRE_CUT)
MODEL_WIRES = (Kind.MODEL_WIRE_SLOW, Kind.MODEL_WIRE_RESET, Kind.MODEL_WIRE_CUT)
MODEL_KINDS = tuple(kind for kind in Kind if kind.name.startswith("MODEL_") and kind not in MODEL_WIRES)
WORKERS = LaneOfFaults(
    "workers",
    {
        Kind.WORKER_KILL: (1, 2),
        Kind.WORKER_FREEZE: (8, 10),
        Kind.WORKER_LEAVE: (2, 4),
        Kind.JOIN_STORM: (4, 7),
    },
    pause=(7, 12),
)
BROKERS = LaneOfFaults(
    "brokers",
    {
        Kind.BROKER_KILL: (2, 6),
        Kind.GROUP_COORDINATOR_KILL: (2, 6),
        Kind.ROLLING_RESTART: (18, 20),
        Kind.TRANSACTION_COORDINATOR_KILL: (2, 6),
    },
    pause=(14, 20),
)
TOPICS = LaneOfFaults("topics", {Kind.PARTITION_ADDED: (1, 2)}, pause=(40, 60), most=3)
MODEL = LaneOfFaults("model", dict.fromkeys(MODEL_KINDS, (2, 5)), pause=(3, 7))
WIRES_TO_BROKERS = LaneOfFaults("wires to brokers", dict.fromkeys(BROKER_WIRES, (1, 6)), pause=(10, 20))
WIRES_TO_MODEL = LaneOfFaults("wires to the model", dict.fromkeys(MODEL_WIRES, (1, 5)), pause=(10, 20))
WITHOUT_WIRES = (WORKERS, BROKERS, TOPICS, MODEL)
LANES = (*WITHOUT_WIRES, WIRES_TO_BROKERS, WIRES_TO_MODEL)


def schedule(seed: int, begin_seconds: float, end_seconds: float, lanes: Sequence[LaneOfFaults] = LANES) -> tuple[Fault, ...]:
    """Return the faults of a run in the order of their time; none is planned to last beyond `end_seconds`.

    Within a lane every kind comes once before any comes again, in an order of the seed's.
    """
    found = [
        fault for lane in lanes for fault in _of_lane(random.Random(f"{seed}/{lane.name}"), lane, begin_seconds, end_seconds)
    ]
    return tuple(sorted(found, key=lambda fault: fault.at_seconds))


def _of_lane(chance: random.Random, lane: LaneOfFaults, begin: float, end: float) -> list[Fault]:
    found: list[Fault] = []
    at = begin + chance.uniform(0, lane.pause[1])
    deck: list[Kind] = []
    while len(found) < lane.most:
        deck = deck or chance.sample(list(lane.kinds), len(lane.kinds))
        kind = deck.pop()
        seconds = chance.uniform(*lane.kinds[kind])
        if at + seconds > end:
            break
        found.append(Fault(at, kind, seconds, chance.randrange(1 << 16)))
        at += seconds + chance.uniform(*lane.pause)
    return found


def lane_of(kind: Kind, lanes: Sequence[LaneOfFaults] = LANES) -> str:
    """Return the name of the lane a kind belongs to. Raises LookupError."""
    for lane in lanes:
        if kind in lane.kinds:
            return lane.name
    raise LookupError(kind)
