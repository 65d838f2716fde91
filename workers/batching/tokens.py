"""Token estimates without a tokenizer: bytes over a ratio, which a provider's own counts may correct. Pure."""

from dataclasses import dataclass

_BYTES_PER_TOKEN = 3.6
_ITEM_OVERHEAD = 14  # ref, keys and punctuation of an item in the prompt
_LEARNING = 0.05
_LEAST, _MOST = 1.5, 8.0


@dataclass(slots=True)
class TokenRatio:
    """Bytes of prompt per token, learned from the usage of answered calls."""

    bytes_per_token: float = _BYTES_PER_TOKEN

    def estimate(self, text: str) -> int:
        """Return the tokens that one item with this text takes in a prompt."""
        size = len(text) if text.isascii() else len(text.encode())
        return int(size / self.bytes_per_token) + _ITEM_OVERHEAD

    def learn(self, prompt_bytes: int, prompt_tokens: int) -> None:
        """Move towards what the provider counted; a count of nothing teaches nothing."""
        if prompt_tokens <= 0 or prompt_bytes <= 0:
            return
        seen = min(_MOST, max(_LEAST, prompt_bytes / prompt_tokens))
        self.bytes_per_token += _LEARNING * (seen - self.bytes_per_token)
