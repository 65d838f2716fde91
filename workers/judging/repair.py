"""Repair: which answers are worth asking again, and what the model is told of them. Pure.

An answer that cannot be read, or that breaks a rule that can be checked (a value that does not stand in the text, a failed
check), is asked once more with what was wrong, as data beside the text. What was read of it is kept: if nothing better comes,
it is the escalation. Doubts about what is merely unsure are no violation: asking again would only make the model sound surer.
"""

from dataclasses import dataclass
from typing import assert_never

from schemas.verdict import Doubt, Escalated, Labelled, Reason
from workers.judging.reading import Imperfect, Read, Reading, Unread
from workers.judging.verdicts import Judge

RULE_BROKEN = "rule_broken"

_MENDABLE = frozenset({Doubt.NOT_GROUNDED, Doubt.NOT_A_VALUE, Doubt.CHECK_FAILED, Doubt.INVALID_ANSWER})
_UNREAD = {
    Unread.NOT_JSON: "the reply was not the JSON object asked for",
    Unread.MISSING: "the reply left this item out",
    Unread.DOUBLED: "the reply had this item more than once",
    Unread.MISSHAPEN: "the reply about this item had another shape than asked for",
}
_NOT_GROUNDED = "the value does not stand in the text exactly as written; use null if none does"


@dataclass(frozen=True, slots=True)
class Again:
    """Ask about this message again. `wrong` is told to the model, `best` is published if nothing better comes of it."""

    why: str
    wrong: tuple[str, ...]
    best: Escalated | None


def settle(judge: Judge, text: str, reading: Reading, answered_by: str, *, repair: bool) -> Labelled | Escalated | Again:
    """Return the verdict on one message, or that it is to be asked again. `repair` lets broken rules be asked again, too.

    `answered_by` is what the model calls itself.
    """
    match reading:
        case Unread():
            return Again(reading.value, (_UNREAD[reading],), None)
        case Imperfect(read=read, wrong=wrong):
            best = _with(judge.judge(text, read, read.signals, answered_by), wrong)
            return Again(Unread.MISSHAPEN.value, _sentences(best), best)
        case Read():
            verdict = judge.judge(text, reading, reading.signals, answered_by)
            if repair and isinstance(verdict, Escalated) and (wrong_now := _sentences(verdict)):
                return Again(RULE_BROKEN, wrong_now, verdict)
            return verdict
        case _:
            assert_never(reading)


def _with(verdict: Labelled | Escalated, wrong: tuple[Reason, ...]) -> Escalated:
    """A field that is unknown because its answer was invalid is doubted once, for that."""
    invalid = {reason.field for reason in wrong}
    others = verdict.reasons if isinstance(verdict, Escalated) else ()
    kept = tuple(r for r in others if r.doubt is not Doubt.UNKNOWN or r.field not in invalid)
    return Escalated(verdict.fields, wrong + kept, verdict.assurance)


def _sentences(verdict: Escalated) -> tuple[str, ...]:
    return tuple(_sentence(reason) for reason in verdict.reasons if reason.doubt in _MENDABLE)


def _sentence(reason: Reason) -> str:
    what = _NOT_GROUNDED if reason.doubt is Doubt.NOT_GROUNDED else reason.detail
    return f"{reason.field}: {what}" if reason.field else what
