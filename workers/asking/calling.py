"""Makes the calls of a question at the same time. I/O only: what came back is joined by `workers.asking.joining`."""

import asyncio

from workers.asking.joining import Result, join
from workers.asking.model import Model, Question


async def ask_all(model: Model, question: Question) -> Result:
    """Return what came back of all its calls, as one. Cancelling it cancels them."""
    if len(question.calls) == 1:
        return await model.ask(question.calls[0])
    return join(question, await asyncio.gather(*(model.ask(call) for call in question.calls)))
