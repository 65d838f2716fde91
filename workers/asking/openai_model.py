"""The one file that imports openai: a `Model` behind any OpenAI-compatible endpoint.

The package gives us the client, authentication and errors, and aiohttp the connections below it (`whole_client`); the body is
our own bytes and the answer is read raw, because `chat.completions.parse` costs seven times as much. Retries are off (it
retries what it should not) and every call has a total deadline (it has none of its own).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx2
import openai

from workers.allowance import UNTOLD
from workers.asking.capabilities import Capability
from workers.asking.classify import classify
from workers.asking.model import Answer, Barred, Call, Fault, TryAgain, Unclear, Usage, Wire
from workers.asking.model_card import NO_CARD, ModelCard, read_cards
from workers.asking.whole_client import UnreadableError, WholeClient, whole_of

_CARD_SECONDS = 10.0
_NO_KEY = "none"  # the package insists on one; a local endpoint ignores it


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, as whom, and for how long. `api_key` is called for each call, so a rotated key is picked up.

    `proxy` is the address of the proxy to go through. `unheeded` are capabilities that the operator does not want believed:
    `usage` and `rate_headers`.
    """

    base_url: str
    api_key: Callable[[], str]
    organization: str | None
    project: str | None
    timeout_seconds: float
    connections: int
    proxy: str | None = None
    unheeded: frozenset[Capability] = frozenset()


class OpenAIModel:
    """Every argument the package would read from the environment is given, so no key reaches an address by accident."""

    def __init__(self, endpoint: Endpoint, wall_clock: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._slots = asyncio.Semaphore(endpoint.connections)
        self._wall_clock = wall_clock
        self._client = _Client(
            api_key=_NO_KEY,
            admin_api_key="",
            base_url=endpoint.base_url,
            organization=endpoint.organization or "",
            project=endpoint.project or "",
            webhook_secret="",
            max_retries=0,
            timeout=None,
            http_client=WholeClient(endpoint.connections, endpoint.proxy),
        )
        self._options: openai.RequestOptions = {  # what the package would else copy anew for every call
            "headers": {"X-Stainless-Retry-Count": openai.Omit(), "X-Stainless-Read-Timeout": openai.Omit()},
            "params": {},
            "max_retries": 0,
            "timeout": None,
            "security": {"bearer_auth": True},
        }
        self._addresses = {wire: f"{self._client.base_url}{wire.value.lstrip('/')}" for wire in Wire}

    async def ask(self, call: Call) -> Answer | Fault | Unclear:
        seconds = self._endpoint.timeout_seconds
        try:
            self._client.api_key = self._endpoint.api_key() or _NO_KEY
        except Exception as error:  # noqa: BLE001  # a key file may be gone while it is rotated; the caller's errors are its own
            return Barred(f"the API key cannot be had: {error}")
        try:
            async with self._slots, asyncio.timeout(seconds):  # a call that waits for its turn is not late yet
                response = await self._client.post(
                    self._addresses[call.wire], cast_to=httpx2.Response, content=call.body, options=self._options
                )
        except openai.APIStatusError as error:
            response = error.response
        except TimeoutError:
            return TryAgain(f"no answer within {seconds:g} s")
        except UnreadableError as error:
            return TryAgain(str(error))
        except openai.APIConnectionError as error:
            return TryAgain(f"no connection to the model: {_cause(error)}")
        except Exception as error:  # noqa: BLE001  # the contract is to never raise, and three packages lie below
            return TryAgain(f"the call failed: {_cause(error)}")
        whole = whole_of(response)
        result = classify(whole.status, whole.headers, whole.body, self._wall_clock(), call)
        return _heeded(result, self._endpoint.unheeded) if self._endpoint.unheeded else result

    async def card(self, name: str) -> ModelCard:
        """Return what the endpoint's list tells of the model, an empty card where it has no such list. Never raises."""
        try:
            self._client.api_key = self._endpoint.api_key() or _NO_KEY
            async with asyncio.timeout(_CARD_SECONDS):
                response = await self._client.get("/models", cast_to=httpx2.Response, options=self._options)
        except Exception:  # noqa: BLE001  # nothing depends on it, and three packages lie below
            return NO_CARD
        return read_cards(whole_of(response).body).get(name, NO_CARD)

    async def close(self) -> None:
        await self._client.close()


class _Client(openai.AsyncOpenAI):
    """Sends the key, what is named here and nothing else.

    The package would add the headers of OPENAI_CUSTOM_HEADERS, whatever the address, and tell about this machine.
    """

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        headers: dict[str, str | openai.Omit] = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Content-Type": "application/json",
            "User-Agent": self.user_agent,
        }
        if self.organization:
            headers["OpenAI-Organization"] = self.organization
        if self.project:
            headers["OpenAI-Project"] = self.project
        return headers


def _heeded(result: Answer | Fault | Unclear, unheeded: frozenset[Capability]) -> Answer | Fault | Unclear:
    if isinstance(result, Answer) and Capability.USAGE in unheeded:
        result = replace(result, usage=Usage())
    if isinstance(result, Answer | TryAgain) and Capability.RATE_HEADERS in unheeded:
        result = replace(result, allowances=UNTOLD)
    return result


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"[:200]
