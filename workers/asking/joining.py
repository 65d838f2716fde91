"""Joins what came back of a question's calls into one answer. Pure.

A call that failed about one item of several leaves that item out: its message is unread then, asked again alone, and the
fault speaks for itself. Only what concerns every item is the question's own fault; but a refusal for limits concerns all calls
after it, and so is told with the answer.
"""

from collections.abc import Mapping, Sequence

from schemas.verdict import Decision
from workers.asking.model import Answer, Barred, Fault, Question, Trouble, TryAgain, Unclear, Usage, Wire

Result = Answer | Fault | Unclear


def join(question: Question, results: Sequence[Result]) -> Result:
    """Return the one result of the question. `results` are those of its calls, in order, at least one."""
    if len(results) == 1:
        return results[0]
    pairs = list(zip(question.calls, results, strict=True))
    for call, result in pairs:
        about_all = len(call.refs) == len(question.refs)
        if not isinstance(result, Answer) and (about_all or isinstance(result, Barred)):
            return result
    answers = [result for result in results if isinstance(result, Answer)]
    decided: dict[str, Mapping[str, Decision]] = {ref: fields for answer in answers for ref, fields in answer.decided.items()}
    votes: dict[str, dict[int, str]] = {}
    for call, result in pairs:
        if call.vote and isinstance(result, Answer):
            votes.setdefault(call.refs[0], {})[call.vote] = result.content
    if not decided and not votes:
        return _worst([result for result in results if not isinstance(result, Answer)])
    written = next((r for call, r in pairs if call.wire is Wire.CHAT and not call.vote and isinstance(r, Answer)), None)
    first = written or answers[0]
    return Answer(
        content=first.content,
        cut=first.cut,
        tokens=first.tokens,
        usage=_sum([answer.usage for answer in answers]),
        model=" + ".join(dict.fromkeys(answer.model for answer in (first, answers[-1]))),
        request_id=first.request_id,
        allowances=answers[-1].allowances,
        decided=decided,
        votes=votes,
        tier=first.tier,
        limited=_longest([r for r in results if isinstance(r, TryAgain) and r.trouble is not Trouble.FAULT]),
    )


def _worst(faults: Sequence[Fault | Unclear]) -> Fault | Unclear:
    """Return the fault that says most of all items: a provider's before a text's, the longest wait among them."""
    return _longest([fault for fault in faults if isinstance(fault, TryAgain)]) or faults[0]


def _longest(waits: Sequence[TryAgain]) -> TryAgain | None:
    return max(waits, key=lambda fault: fault.after_seconds or 0.0, default=None)


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(sum(u.input for u in usages), sum(u.cached for u in usages), sum(u.output for u in usages))
