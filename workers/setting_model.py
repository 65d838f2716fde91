"""The section `model`: what is asked, how, and what is insisted on or forbidden. Values only."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from workers.setting_base import SecretPath, Section, off

DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")

Switch = Literal["auto", "on", "off"]
Effort = Literal["none", "minimal", "low", "medium", "high"]


def _left_out(value: object) -> object:
    """Read `off`; `none` is an effort."""
    return None if isinstance(value, str) and value.lower() == "off" else value


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("should be an http:// or https:// URL, such as https://api.openai.com/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError("may not carry credentials or a query: use model.api_key_file")
    return url.rstrip("/")


class Price(Section):
    """US dollars per million tokens."""

    input: float = Field(ge=0)
    cached: float = Field(ge=0)
    output: float = Field(ge=0)

    def dollars(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> float:
        """Return the cost of a call; `cached_tokens` are part of `input_tokens`, as providers report them."""
        fresh = input_tokens - cached_tokens
        return (fresh * self.input + cached_tokens * self.cached + output_tokens * self.output) / 1_000_000


class ModelSettings(Section):
    """The model, behind an OpenAI-compatible endpoint."""

    base_url: Annotated[str, AfterValidator(_base_url)] = Field(default="https://api.openai.com/v1", description="endpoint")
    name: str = Field(default="gpt-6-luna", min_length=1, description="model")
    backend: Literal["auto", "chat", "decisions", "systemone"] = Field(
        default="auto",
        description="how labels are asked for: auto is chat where it gives log-probabilities, else a decision route, else chat",
    )
    decisions_name: str | None = Field(default=None, min_length=1, description="model of decision routes; unset is `name`")
    api_key_file: SecretPath | None = Field(
        default=None, description="file that holds the API key; read again when it is refused"
    )
    api_key: SecretStr | None = Field(
        default=None,
        description="API key; from the environment only. OPENAI_API_KEY is read for OpenAI's own endpoint and no other",
    )
    organization: str | None = Field(default=None, min_length=1, description="OpenAI organization")
    project: str | None = Field(default=None, min_length=1, description="OpenAI project")
    timeout_seconds: float = Field(default=60, gt=0, le=900, description="longest wait for one answer")
    reasoning_effort: Annotated[Effort | None, BeforeValidator(_left_out)] = Field(
        default=None,
        description="effort to ask for; off leaves it out, unset leaves it to what the endpoint was found to take",
    )
    service_tier: Literal["auto", "default", "flex", "priority"] | None = Field(
        default=None, description="tier to ask for; a call in flex or priority costs the price of `name@tier`"
    )
    logprobs: Switch = Field(default="auto", description="token probabilities; auto asks the endpoint once")
    votes: int = Field(
        default=0,
        ge=0,
        le=5,
        description="without token probabilities, ask so many times more about each message, alone and with its labels in "
        "another order: how many agree is the confidence",
    )
    json_schema: Switch = Field(
        default="auto", description="strict schema of the reply; off, or where it is not kept to, it stands in the prompt"
    )
    usage: Switch = Field(default="auto", description="the endpoint's token counts; on insists on them, off estimates instead")
    rate_headers: Switch = Field(
        default="auto", description="the endpoint's headers about limits; on insists on them, off does not believe them"
    )
    context_tokens: int | None = Field(
        default=None,
        ge=512,
        description="tokens of one call that the model takes, in and out; unset is what is known of it",
    )
    max_output_tokens: int | None = Field(
        default=None, ge=64, description="tokens that the model writes in one answer at most; unset is what is known of it"
    )
    temperature: Annotated[float | None, BeforeValidator(off)] = Field(default=0, ge=0, le=2, description="off leaves it out")
    max_output_tokens_per_item: int = Field(default=120, ge=8, le=4096, description="room for the answer about one message")
    repair: bool = Field(default=True, description="ask once more, with what was wrong, about an answer that breaks a rule")
    concurrency: int = Field(default=8, ge=1, le=1024, description="calls in flight at most")
    prices: dict[str, Price] = Field(
        default_factory=dict, description="US dollars per million tokens by model: input, cached, output; none is unknown"
    )

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("api_key and api_key_file are both set: keep one")
        return self

    def price(self) -> Price | None:
        """Return the price in the tier, also of a dated name (`gpt-5-nano-2025-08-07`); None when it is unknown."""
        tier = f"@{self.service_tier}" if self.service_tier in ("flex", "priority") else ""
        return self.prices.get(self.name + tier) or self.prices.get(DATED.sub("", self.name) + tier)

    def is_openai(self) -> bool:
        """Return whether the endpoint is OpenAI's own, so that OPENAI_API_KEY was meant for it."""
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        return parts.scheme == "https" and (host == "api.openai.com" or host.endswith(".api.openai.com"))
