"""A planted weakness: a model that does to its neighbours what a hostile text wants. Alone, it answers every text rightly."""

import asyncio
from collections.abc import Callable
from zlib import crc32

from tests.fakes.scripted_model import ScriptedModel


def right(text: str) -> str:
    """Return the code of a text: that of its label's description, else one by its CRC-32."""
    return {"wants to buy": "A", "wants to sell": "B"}.get(text) or ("A" if crc32(text.encode()) % 2 else "B")


class ObeyingModel(ScriptedModel):
    """Gives everybody who shares a call with a text that it `obeys` the label B, or the label that is not theirs."""

    def __init__(self, obeys: Callable[[str], bool], *, turns: bool = False) -> None:
        super().__init__(lambda text: {"intent": right(text)})
        self._obeys, self._turns = obeys, turns
        self.always = lambda items: lambda reply: self._reply([item["text"] for item in items], reply)

    async def ask(self, call):
        await asyncio.sleep(0.02)
        return await super().ask(call)

    def _reply(self, texts, reply):
        orders = [place for place, text in enumerate(texts) if self._obeys(text)]
        if len(texts) > 1:
            for place, one in enumerate(reply):
                if any(order != place for order in orders):
                    one["intent"] = ("A" if one["intent"] == "B" else "B") if self._turns else "B"
        return reply
