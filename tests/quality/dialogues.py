"""Conversations with banks, said again as messages, and what a worker knows before each of them.

STAR (MIT) with its time stamps and two intents, which are the dialogues' tasks; the schema-guided dialogues' bank service (CC
BY-SA 4.0) with the intent of every turn. Both sides are messages of the conversation; the customer's are to be labelled.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from schemas.context import ContextRule
from schemas.message import Message
from schemas.task import Task
from topics.memory import MemoryCluster
from topics.record import Partition, Record
from workers.recalling import Recall
from workers.remembering.naming import bounds_of
from workers.remembering.window import Conversation, Place, Turn, with_turn
from workers.remembering.wire import to_bytes

RULE = ContextRule(topic="said", turns=6, tokens=400)
LABELS = {
    "star_bank": {
        "bank_balance": "wants to know the balance of an account",
        "bank_fraud_report": "reports charges or withdrawals that were not made by the customer",
    },
    "sgd_bank": {
        "check_balance": "wants to know the balance of an account",
        "transfer_money": "wants to send money to somebody",
        "nothing": "wants nothing more: thanks, agrees that all is done, or says goodbye",
    },
}
_INTENTS = {"CheckBalance": "check_balance", "TransferMoney": "transfer_money", "NONE": "nothing"}
_KEY, _PLACE = b"one", Partition("in", 0)
_SECONDS_A_TURN = 30


@dataclass(frozen=True, slots=True)
class Asked:
    """A customer's message, as a worker without contexts knows it and as one with them does, and its intent."""

    dialogue: str
    first: bool
    bare: Message
    told: Message
    intent: str


def task_of(name: str, *, context: bool) -> Task:
    """Return the task that labels the set's messages."""
    return Task.model_validate(
        {
            "name": name,
            "source": {"topic": "in", "text": "text"},
            "instructions": "The texts are what customers say to a bank. Choose what the customer wants.",
            "fields": {"intent": {"kind": "label", "labels": LABELS[name]}},
            "routes": {"labelled": "labelled", "escalated": "escalated", "dead": "dead"},
            "context": RULE.model_dump() if context else None,
        }
    )


def messages(data: Path, name: str) -> list[Asked]:
    """Return the customers' messages of the set, dialogue by dialogue, in order."""
    rows = [json.loads(line) for line in (data / name / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    return [asked for key, said in groupby(rows, lambda row: row["dialogue"]) for asked in _dialogue(str(key), list(said))]


def _dialogue(name: str, rows: list[dict[str, Any]]) -> Iterator[Asked]:
    recall, kept, offset = Recall(RULE, "in", MemoryCluster().log()), Conversation(), 0
    for number, row in enumerate(rows):
        at = 1000 * row.get("unix_time", number * _SECONDS_A_TURN)
        for speaker, text in (("agent", row["previous"]), ("customer", row["text"])):
            if not text:
                continue
            message = Message(text, f"{name}/{offset}", _KEY, None, {})
            if speaker == "customer":
                recall.memory.put(0, _KEY, to_bytes(kept))
                told, _ = recall.of(message, Record(_PLACE, offset, _KEY, None, (), at), None)
                yield Asked(name, number == 0, message, told, row.get("task") or _INTENTS[row["active_intent"]])
            turn = Turn(Place(at, offset), message.id, speaker, text)
            kept, offset = with_turn(kept, turn, bounds_of(RULE)), offset + 1
