"""What the fake model answers: pure, and the same for the same text whatever batch it comes in unless an effect of neighbours is planted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Any, Literal, NamedTuple
from zlib import crc32

import orjson

Codes = Literal["first", "hash"]
Item = tuple[str, str]  # ref, text
BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """A chat completion request: its items, the reply's fields in order (None for a text field), and the alternatives wanted."""

    model: str
    items: Sequence[Item]
    fields: Mapping[str, Sequence[str] | None]
    top_logprobs: int | None
    size: int  # bytes of the request
    strict: bool  # the schema binds; otherwise it stands in the prompt


class Usage(NamedTuple):
    """Tokens of a call, four bytes to a token."""

    prompt: int
    completion: int

    @property
    def total(self) -> int:
        return self.prompt + self.completion


def read(body: bytes) -> Asked:
    """Read a request as the worker makes it. Raises KeyError, TypeError, ValueError or LookupError for any other."""
    request = orjson.loads(body)
    items = orjson.loads(request["messages"][-1]["content"])["items"]
    properties = schema_of(request)["properties"]["r"]["items"]["properties"]
    return Asked(
        model=request["model"],
        items=[(item["ref"], item["text"]) for item in items],
        fields={
            name: tuple(schema["enum"]) if "enum" in schema else None for name, schema in properties.items() if name != "ref"
        },
        top_logprobs=request.get("top_logprobs", 0) if request.get("logprobs") else None,
        size=len(body),
        strict="json_schema" in request.get("response_format", {}),
    )


def schema_of(request: Mapping[str, Any]) -> Any:
    """Return the schema that a reply is asked for with: the one that binds it, or the one that stands in the prompt."""
    wanted = request.get("response_format", {})
    if "json_schema" in wanted:
        return wanted["json_schema"]["schema"]
    return orjson.loads(request["messages"][0]["content"].rstrip().rpartition("\n")[2])


def code_of(text: str, codes: Sequence[str], rule: Codes) -> str:
    """Return the code for a text: the first, or one by the text's CRC-32. Never the last of several, which is `unknown`."""
    return codes[0] if rule == "first" or len(codes) < 2 else codes[crc32(text.encode()) % (len(codes) - 1)]


def pieces(
    asked: Asked, items: Sequence[Item], rule: Codes, turned: frozenset[int] = frozenset()
) -> list[tuple[str, Sequence[str]]]:
    """Return the reply's content in pieces, each with the codes that could stand there; none for what is forced.

    `turned` are the places whose codes are the next ones of the book (`tests.fakes.neighbours`).
    """
    found: list[tuple[str, Sequence[str]]] = []
    plain = '{"r":['
    for place, (ref, text) in enumerate(items):
        plain += f'{"," if place else ""}{{"ref":"{ref}"'
        for name, codes in asked.fields.items():
            if codes is None:
                plain += f',"{name}":null'
            elif name == "sure":
                plain += ',"sure":"high"'
            else:
                code = code_of(text, codes, rule)
                code = codes[(codes.index(code) + 1) % (len(codes) - 1)] if place in turned and len(codes) > 2 else code
                found += ((f'{plain},"{name}":"', ()), (code, codes))
                plain = '"'
        plain += "}"
    return [*found, (plain + "]}", ())]


def content_of(parts: Sequence[tuple[str, Sequence[str]]]) -> str:
    return "".join([part for part, _ in parts])


MANGLES: dict[str, Callable[[list[Item]], list[Item]]] = {
    "missing": lambda items: items[1:],
    "doubled": lambda items: [*items, items[0]],
    "alien": lambda items: [("zzzzz", items[0][1]), *items[1:]],
    # Every ref belongs to another text: no reader can notice, only somebody who knows the right answer.
    "swapped": lambda items: [(ref, text) for (ref, _), (_, text) in zip(items, reversed(items), strict=True)],
}


def usage_of(asked: Asked, parts: Sequence[tuple[str, Sequence[str]]]) -> Usage:
    return Usage(-(-asked.size // BYTES_PER_TOKEN), -(-sum([len(part) for part, _ in parts]) // BYTES_PER_TOKEN))


def completion(
    asked: Asked, parts: Sequence[tuple[str, Sequence[str]]], number: int, *, finish: str = "stop", cut: int | None = None
) -> bytes:
    """Return the response's bytes; `cut` leaves out so many characters at the end of the content."""
    content = content_of(parts)
    if cut is not None:
        content = content[: len(content) - cut]
    logprobs = b"null" if asked.top_logprobs is None else _logprobs(parts, asked.top_logprobs)
    usage = usage_of(asked, parts)
    return b"".join(
        (
            b'{"id":"chatcmpl-%d","object":"chat.completion","created":1,"model":' % number,
            orjson.dumps(asked.model),
            b',"choices":[{"index":0,"message":{"role":"assistant","refusal":null,"content":',
            orjson.dumps(content),
            b'},"logprobs":',
            logprobs,
            b',"finish_reason":"%s"}],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}'
            % (finish.encode(), *usage, usage.total),
        )
    )


def _logprobs(parts: Sequence[tuple[str, Sequence[str]]], top: int) -> bytes:
    tokens = [_code_token(part, codes, top) if codes else _forced_token(part) for part, codes in parts]
    return b'{"content":[' + b",".join(tokens) + b'],"refusal":null}'


def _forced_token(part: str) -> bytes:
    token = b'{"token":%b,"logprob":0.0,"bytes":null' % orjson.dumps(part)
    return token + b',"top_logprobs":[' + token + b"}]}"


@lru_cache(maxsize=1024)
def _code_token(code: str, codes: Sequence[str], top: int) -> bytes:
    others = [other for other in codes if other != code][: max(0, top - 1)]
    sure = 0.95 if others else 1.0
    rows = [(code, log(sure)), *((other, log((1 - sure) / len(others))) for other in others)]
    tokens = [{"token": text, "logprob": logprob, "bytes": list(text.encode())} for text, logprob in rows]
    return orjson.dumps({**tokens[0], "top_logprobs": tokens[:top]})
