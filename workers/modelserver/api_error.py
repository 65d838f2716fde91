"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}` with a status."""

from typing import Any


class ApiError(Exception):
    """The request is refused. The message is one sentence for the caller; `code` and `param` are for programs."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"  # noqa: PLR2004  # RFC 9110, 15.6
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def invalid(message: str, param: str, code: str | None = "invalid_value") -> ApiError:
    """Return a 400 about one parameter."""
    return ApiError(400, message, code=code, param=param)
