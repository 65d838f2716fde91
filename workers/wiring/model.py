"""Wiring of the model: settings become a client, what it is asked with, and the limiter of its account."""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from urllib.request import getproxies

from schemas.verdict import SignalKind
from workers.asking.capabilities import Capability
from workers.asking.degrade import FORMAT
from workers.asking.model_card import NO_CARD, ModelCard
from workers.asking.openai_model import Endpoint, OpenAIModel
from workers.asking.prompt import Dialect
from workers.asking.proxies import proxy_for
from workers.asking.route import Wishes
from workers.batching.room import Room
from workers.limiting.account import Account
from workers.limiting.concurrency import Concurrency
from workers.limiting.hedging import Hedging
from workers.limiting.limiter import Limiter
from workers.limiting.quota import Known, Quota
from workers.limiting.ramp import Ramp
from workers.limiting.retries import RetryBudget
from workers.patience import Patience
from workers.profiles import profile_of
from workers.secrets import model_api_key
from workers.setting_model import ModelSettings, Switch
from workers.setting_sections import Settings
from workers.settings import SettingsRefused


def openai_model(model: ModelSettings) -> OpenAIModel:
    """Return the model behind the settings' endpoint.

    Raises SettingsRefused for a key file that cannot be read, and for a proxy that cannot be one.
    """
    model_api_key(model)  # a refused key file is said at start, not at the first call

    def key() -> str:
        secret = model_api_key(model)
        return secret.get_secret_value() if secret is not None else ""

    return OpenAIModel(
        Endpoint(
            base_url=model.base_url,
            api_key=key,
            organization=model.organization,
            project=model.project,
            timeout_seconds=model.timeout_seconds,
            connections=2 * model.concurrency,
            proxy=_proxy(model.base_url),
            unheeded=frozenset(_switched(model, "off")),
        )
    )


def _proxy(url: str) -> str | None:
    try:
        return proxy_for(url, getproxies())
    except ValueError as error:
        raise SettingsRefused(f"the proxy for {url} (variable https_proxy, http_proxy or all_proxy) {error}") from None


def dialect_of(model: ModelSettings) -> Dialect:
    """Return what the route is asked with at first; what it refuses and the signal are settled by asking (`asking.route`)."""
    profile = profile_of(model.name)
    silent = "temperature" not in model.model_fields_set and not profile.temperature
    return Dialect(
        model=model.name,
        signal=SignalKind.LOGPROBS,
        temperature=None if silent else model.temperature,
        reasoning_effort=model.reasoning_effort if "reasoning_effort" in model.model_fields_set else profile.reasoning_effort,
        store=False if model.is_openai() else None,
        service_tier=model.service_tier,
        reply="json_object" if model.json_schema == "off" else "json_schema",
        output_tokens_per_item=model.max_output_tokens_per_item,
    )


def wishes_of(model: ModelSettings) -> Wishes:
    """Return what the settings insist on or forbid."""
    gives_none = model.logprobs == "auto" and not profile_of(model.name).logprobs
    insisted = model.model_fields_set & {"reasoning_effort", "temperature"}
    insisted |= {FORMAT} if model.json_schema == "on" else set()
    return Wishes(
        backend=model.backend,
        logprobs="off" if gives_none else model.logprobs,
        decisions_model=model.decisions_name,
        insisted=frozenset(insisted),
        required=frozenset(_switched(model, "on")),
        votes=model.votes,
    )


def _switched(model: ModelSettings, way: Switch) -> Iterator[Capability]:
    """Yield what is only told by answers, and is insisted on, or not to be believed."""
    for capability, wish in ((Capability.USAGE, model.usage), (Capability.RATE_HEADERS, model.rate_headers)):
        if wish == way:
            yield capability


def room_of(model: ModelSettings, card: ModelCard = NO_CARD) -> Room:
    """Return what the model takes in one call: as set, as the endpoint tells, or as its profile knows."""
    profile = profile_of(model.name)
    return Room(
        model.context_tokens or card.context_tokens or profile.context_tokens,
        model.max_output_tokens or card.output_tokens or profile.output_tokens,
    )


def build_limiter(
    settings: Settings,
    clock: Callable[[], float] = time.monotonic,
    chance: Callable[[], float] = random.random,
    patience: Patience | None = None,
) -> Limiter:
    """Return the limiter of the settings' account and model: all tasks share it."""
    limits = settings.limits
    ramp = Ramp() if settings.model.is_openai() else None
    quota = Quota(Known(limits.requests_per_minute, limits.tokens_per_minute), ramp, shared=limits.shared)
    concurrency = Concurrency(settings.model.concurrency, adaptive=limits.adaptive)
    patience = patience or Patience(most_seconds=limits.most_seconds)
    return Limiter(
        Account(quota, patience, concurrency, RetryBudget(limits.retry_share), Hedging(limits.hedge_share)), clock, chance
    )


def secure_draw(below: int) -> int:
    """Return a number below the bound that nobody can guess: refs are drawn with it."""
    return secrets.randbelow(below)
