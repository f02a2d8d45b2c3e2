"""How the provider says no over HTTP: xAI's flat body and OpenAI's nested one (protocols 4.4, 5)."""

from __future__ import annotations

from collections.abc import Mapping

XAI = "xai"
OPENAI = "openai"
COMPATIBLE = "compatible"

# Older English-sentence codes still come from xAI beside the slugs (protocols 4.4).
_SENTENCES: Mapping[str, str] = {
    "unauthenticated:no-credentials": "The request does not have valid authentication credentials",
    "invalid-argument": "Client specified an invalid argument",
    "permission-denied": "The caller does not have permission to execute the specified operation",
    "not-found": "Some requested entity was not found",
    "resource-exhausted": "Some resource has been exhausted",
    "unavailable": "The service is currently unavailable",
    "internal": "Internal error",
}
_STATUS_CODES: Mapping[int, str] = {
    400: "invalid-argument",
    401: "unauthenticated:no-credentials",
    403: "permission-denied",
    404: "not-found",
    429: "resource-exhausted",
    503: "unavailable",
}
_OPENAI_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}


class RefusalError(Exception):
    """A request refused. `openai_code` is the code of the nested shape, `param` the field at fault."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        openai_code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.openai_code = openai_code
        self.headers = dict(headers or {})

    def body(self, dialect: str, *, old_codes: bool = False) -> dict[str, object]:
        """The JSON body in that dialect."""
        if dialect != XAI:
            return {"error": self._nested()}
        code = _STATUS_CODES.get(self.status)
        if code is None:
            code = "internal" if self.status >= 500 else "invalid-argument"
        return {"code": _SENTENCES[code] if old_codes else code, "error": self.message}

    def _nested(self) -> dict[str, object]:
        fallback = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "message": self.message,
            "type": _OPENAI_TYPES.get(self.status, fallback),
            "param": self.param,
            "code": self.openai_code,
        }


def scripted(status: int, retry_after: str | None) -> RefusalError:
    """The refusal a tester asked for with `http=STATUS`; the texts follow protocols 4.4."""
    texts = {
        400: "Incorrect API key provided. You can obtain an API key from https://console.x.ai.",
        401: "No credentials presented.",
        403: "The API key lacks permission for this endpoint, or the team is blocked.",
        404: "The model does not exist or your team does not have access to it.",
        429: "Too many requests for team 00000000-0000-0000-0000-000000000000 and model sandbox. "
        "Requests per Minute (actual/limit): 61/60.",
        500: "Internal error.",
        503: "The service is temporarily unavailable.",
    }
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return RefusalError(status, texts.get(status, f"Asked for: HTTP {status}."), headers=headers)
