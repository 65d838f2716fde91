"""What calls and messages cost in tokens, without a tokenizer: learned from what the provider counted. Pure.

    input  = static + rate * bytes of the items + overhead * items
    output = opening + answer * items

The static part (instructions, fields, schema) is paid once a call, however many messages share it, and so is worth knowing
apart from them. First guesses come from the bytes of the prompt; calls of different sizes tell the terms apart, and
calls that are all alike correct their sum. Bounds keep a provider that counts nonsense from making batches empty or boundless.
"""

from dataclasses import dataclass

from workers.batching.least_squares import LeastSquares

BYTES_PER_TOKEN = 3.6
ITEM_BYTES = 36
"""Bytes of an item in the request besides its text: ref, keys and punctuation, escaped."""

_ITEM_TOKENS = 4.0
_ANSWER_TOKENS = 30.0
_OPENING_TOKENS = 8.0
_LEAST_BYTES, _MOST_BYTES = 1.5, 8.0
_NOISE = 0.02
_SPREAD = 0.5 / _NOISE
_MOST_WRONG = 8.0
_LEARNING = 0.05


@dataclass(frozen=True, slots=True)
class Call:
    """An answered call: the bytes of its request, its items, and the tokens that the provider counted (0 is unknown)."""

    body_bytes: int
    items: int
    input_tokens: int
    output_tokens: int


class TokenCost:
    """What a task's calls cost on a route. `static_bytes` are the bytes of a request without any item."""

    def __init__(self, static_bytes: int) -> None:
        self._static_bytes = static_bytes
        self._static_guess = max(1.0, static_bytes / BYTES_PER_TOKEN)
        # In multiples of the first guesses, so that one spread fits all terms.
        self._input = LeastSquares([1.0, 1.0, 1.0], _SPREAD)
        self._output = LeastSquares([1.0, 1.0], _SPREAD)
        self._per_item = 0.0
        self._set_prices()

    @property
    def bytes_per_token(self) -> float:
        return BYTES_PER_TOKEN / self._input.coefficients[1]

    @property
    def static(self) -> float:
        """Tokens of a call that no message adds to: the prompt's static part, and the opening of the answer."""
        return self._static_guess * self._input.coefficients[0] + _OPENING_TOKENS * self._output.coefficients[0]

    @property
    def per_item(self) -> float:
        """Tokens that a message adds to a call, of late: in the prompt and in the answer. 0 before the first answer."""
        return self._per_item

    def estimate(self, text: str) -> int:
        """Return the tokens that an item with this text adds to a prompt."""
        return int((len(text) if text.isascii() else len(text.encode())) * self._per_byte + self._per_text)

    def share(self, text: str) -> int:
        """Return the tokens that an item with this text adds to a call: its part of the prompt and of the answer."""
        return self.estimate(text) + self._per_answer

    def learn(self, call: Call) -> None:
        """Take note of what the provider counted; a count of nothing teaches nothing."""
        if call.items < 1 or call.input_tokens <= 0:
            return
        terms = self._input_terms(call)
        _observe(self._input, terms, call.input_tokens)
        least = BYTES_PER_TOKEN / _MOST_BYTES
        most = BYTES_PER_TOKEN / _LEAST_BYTES
        _clamp(self._input, ((0.1, 4.0), (least, most), (0.0, 10.0)))
        if call.output_tokens > 0:
            _observe(self._output, (_OPENING_TOKENS, _ANSWER_TOKENS * call.items), call.output_tokens)
            _clamp(self._output, ((0.0, 500.0), (0.1, 50.0)))
        added = max(1.0, (call.input_tokens + call.output_tokens - self.static) / call.items)
        added = min(added, _MOST_WRONG * (call.body_bytes / call.items / BYTES_PER_TOKEN + _ANSWER_TOKENS))
        self._set_prices()
        self._per_item += (_LEARNING if self._per_item else 1.0) * (added - self._per_item)

    def _set_prices(self) -> None:
        """Work out what every estimate needs: there is one for each message, and a new law only for each call."""
        _, rate, overhead = self._input.coefficients
        self._per_byte = rate / BYTES_PER_TOKEN
        self._per_text = ITEM_BYTES * self._per_byte + _ITEM_TOKENS * overhead
        self._per_answer = int(_ANSWER_TOKENS * self._output.coefficients[1])

    def _input_terms(self, call: Call) -> tuple[float, float, float]:
        items_bytes = max(0, call.body_bytes - self._static_bytes)
        return self._static_guess, items_bytes / BYTES_PER_TOKEN, _ITEM_TOKENS * call.items


def _observe(law: LeastSquares, terms: tuple[float, ...], seen: int) -> None:
    """Learn relative to what was expected, so that large calls are no louder than small ones."""
    expected = max(1.0, law.predict(terms))
    ratio = min(_MOST_WRONG, max(1 / _MOST_WRONG, seen / expected))
    law.learn([term / expected for term in terms], ratio)


def _clamp(law: LeastSquares, bounds: tuple[tuple[float, float], ...]) -> None:
    law.coefficients[:] = [min(most, max(least, c)) for c, (least, most) in zip(law.coefficients, bounds, strict=True)]
