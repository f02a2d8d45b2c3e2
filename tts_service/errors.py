"""Everything that can go wrong and be told to somebody; anything else that is raised is a bug.

    ServiceError
    |-- RequestError       the caller can mend it: 4xx, no money spent
    |-- UpstreamError      the language model did not answer: 502, 503, 504; there is no text to give
    |-- SpeechError        the voice did not come: never a status, the text is delivered with `audio_error`
    `-- UnavailableError   our own database or another part of us: 503

The codes are a closed list (contract.md, faults.md 3a, 3c and 5): `code`, `status` and `retryable` stand on
the class. A message is ours alone: never a key, a visitor's words, a URL or a provider's sentence.
"""

from __future__ import annotations


class ServiceError(Exception):
    """Told to the caller as `{"error": {"code", "message", "param"?}}`."""

    code = "internal"
    status = 500
    retryable = False
    message = "Something went wrong on our side. Try again; if it stays, give us the request id."

    def __init__(
        self, message: str | None = None, *, param: str | None = None, retry_after_s: int | None = None
    ) -> None:
        self.message = message or self.message
        self.param = param
        self.retry_after_s = retry_after_s
        super().__init__(self.code)


# What the caller can mend.


class RequestError(ServiceError):
    code = "invalid_request"
    status = 400
    message = "The request is not understood."


class InvalidJson(RequestError):
    code = "invalid_json"
    message = "The body is not valid JSON in UTF-8."


class JsonTooDeep(RequestError):
    code = "json_too_deep"
    message = "The JSON is nested too deeply: at most 16 levels."


class DuplicateKey(RequestError):
    code = "duplicate_key"
    message = "A key stands twice in the JSON object."


class InvalidRequest(RequestError):
    pass


class UnknownField(RequestError):
    code = "unknown_field"


class InvalidClientId(RequestError):
    code = "invalid_client_id"
    message = "client_id must be a UUID as the dashboard shows it: lower case, with hyphens."


class InvalidValue(InvalidRequest):
    code = "invalid_value"
    status = 422


class UrlNotAllowed(InvalidValue):
    code = "url_not_allowed"
    status = 422
    message = (
        "ai_base_url must be a public https address on port 443. For a model on this machine or network, an "
        "operator can allow it: tts-service clients set CLIENT_ID --set ai_base_url=URL, or "
        "ALLOW_PRIVATE_MODEL_URLS=yes."
    )


class Unauthorized(RequestError):
    code = "unauthorized"
    status = 401
    message = "Send the admin token as Authorization: Bearer TOKEN."


class SignInRequired(RequestError):
    code = "unauthorized"
    status = 401
    message = "You are not signed in, or were away for too long. Sign in at /dashboard/sign-in."


class SignInFailed(RequestError):
    code = "sign_in_failed"
    status = 401
    message = "The name or the password is not right."


class LinkExpired(RequestError):
    code = "link_expired"
    status = 410
    message = (
        "This link was used already, is too old, or was replaced by a newer one. Make another: "
        "tts-service accounts link"
    )


class CsrfRejected(RequestError):
    code = "csrf_rejected"
    status = 403
    message = "This form is too old, or was not sent from the dashboard. Load the page again and repeat it."


class EditConflict(RequestError):
    code = "edit_conflict"
    status = 412
    message = "Somebody else has changed this client meanwhile. Load it again and repeat your change."


class OriginNotAllowed(RequestError):
    code = "origin_not_allowed"
    status = 403
    message = (
        "This page's origin is not in the client's allowed_origins. Add the exact origin "
        "(scheme, host and port), for example https://www.example.com."
    )


class ClientDisabled(RequestError):
    code = "client_disabled"
    status = 403
    message = "This chat is switched off."


class ClientNotFound(RequestError):
    code = "client_not_found"
    status = 404
    message = "There is no client with this client_id."


class NotFound(RequestError):
    code = "not_found"
    status = 404
    message = "There is nothing at this address."


class MethodNotAllowed(RequestError):
    code = "method_not_allowed"
    status = 405
    message = "This address does not take that method; see the Allow header."


class RequestTimeout(RequestError):
    code = "request_timeout"
    status = 408
    retryable = True
    message = "The request did not arrive in time."


class IdempotencyInFlight(RequestError):
    code = "idempotency_in_flight"
    status = 409
    retryable = True
    message = "A request with this Idempotency-Key is still being answered."


class BodyTooLarge(RequestError):
    code = "body_too_large"
    status = 413
    message = "The body may have at most 65,536 bytes."


class UnsupportedMediaType(RequestError):
    code = "unsupported_media_type"
    status = 415
    message = "Send the body as Content-Type: application/json, in UTF-8."


class UnsupportedEncoding(RequestError):
    code = "unsupported_encoding"
    status = 415
    message = "Send the body as it is, without Content-Encoding."


class EmptyMessage(RequestError):
    code = "empty_message"
    status = 422
    message = "The message has no visible characters."


class MessageTooLong(RequestError):
    code = "message_too_long"
    status = 422
    message = "The message may have at most 4,000 characters."


class ReaderGone(RequestError):
    code = "reader_gone"
    status = 499  # nginx's number for it; nobody is left to read it but the access log
    message = "The caller has hung up."


class InvalidCharacters(RequestError):
    code = "invalid_characters"
    status = 422
    message = "The message holds a NUL or half of a surrogate pair."


class IdempotencyMismatch(RequestError):
    code = "idempotency_mismatch"
    status = 422
    message = "This Idempotency-Key was used for another request. Use a new key for a new request."


class RateLimited(RequestError):
    code = "rate_limited"
    status = 429
    retryable = True
    message = "Too many questions at once. Please wait a moment and ask again."


class BudgetExhausted(RequestError):
    code = "budget_exhausted"
    status = 429
    message = "This chat's daily limit is used up. It begins anew at 00:00 UTC."


# What the language model did. There is no text yet, so an error is the honest answer (faults 3a).


class UpstreamError(ServiceError):
    code = "upstream_unavailable"
    status = 502
    message = "The language model did not answer."


class UpstreamUnreachable(UpstreamError):
    code = "upstream_unreachable"
    retryable = True
    message = "The language model's server cannot be reached. Check its base URL and the network."


class UpstreamTls(UpstreamError):
    code = "upstream_tls"
    message = "The language model's server has no valid TLS certificate for its name."


class UpstreamTimeout(UpstreamError):
    code = "upstream_timeout"
    status = 504
    retryable = True
    message = "The language model did not finish its reply in time."


class UpstreamAuth(UpstreamError):
    code = "upstream_auth"
    message = "The language model's provider refused the key. Check the key and its permissions."


class UpstreamRejected(UpstreamError):
    code = "upstream_rejected"
    message = "The language model's provider refused the request. Check the client's model and base URL."


class UpstreamConfig(UpstreamError):
    code = "upstream_config"
    message = "The language model does not exist at this provider, or the key may not use it. Check ai_model."


class UpstreamAddress(UpstreamError):
    code = "upstream_config"
    message = (
        "ai_base_url leads to an address that this client may not reach, so nothing was sent. For a model on "
        "this machine or network, an operator can allow it: tts-service clients set CLIENT_ID --set "
        "ai_base_url=URL. Link-local addresses and metadata services are never reached."
    )


class UpstreamQuota(UpstreamError):
    code = "upstream_quota"
    message = "The provider account has no credit or quota left."


class UpstreamRateLimited(UpstreamError):
    code = "upstream_rate_limited"
    status = 503
    retryable = True
    message = "The language model's provider is limiting requests. Try again after Retry-After."


class UpstreamUnavailable(UpstreamError):
    code = "upstream_unavailable"
    status = 503
    retryable = True
    message = "The language model's provider has an outage. Try again shortly."


class UpstreamBadResponse(UpstreamError):
    code = "upstream_bad_response"
    message = "The language model's server answered, but not with a chat completion. Check ai_base_url."


class UpstreamBrokeOff(UpstreamBadResponse):
    message = "The language model's server broke off in the middle of the reply."


class UpstreamTooLarge(UpstreamError):
    code = "upstream_too_large"
    message = "The language model's server sent far more than a reply."


# What the voice did (faults 3c). The text is delivered all the same.


class SpeechError(ServiceError):
    """`stage` says where: connect, handshake, session, send, first_audio, audio. It goes to the log only."""

    code = "speech_upstream_error"
    status = 200
    message = "The voice provider reported an error."

    def __init__(
        self,
        message: str | None = None,
        *,
        stage: str | None = None,
        close_code: int | None = None,
        http_status: int | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.close_code = close_code
        self.http_status = http_status
        self.detail = detail  # a word of our own closed lists, never the provider's text


class SpeechUnavailable(SpeechError):
    code = "speech_unavailable"
    retryable = True
    message = "The voice provider cannot be reached."


class SpeechTimeout(SpeechError):
    code = "speech_timeout"
    retryable = True
    message = "The voice did not come in time."


class SpeechTls(SpeechError):
    code = "speech_tls"
    message = "The voice provider has no valid TLS certificate for its name."


class SpeechAuth(SpeechError):
    code = "speech_auth"
    message = "The voice provider refused the key. Check that it is valid and may use the Voice endpoint."


class SpeechRateLimited(SpeechError):
    code = "speech_rate_limited"
    retryable = True
    message = "The voice provider is limiting requests or sessions."


class SpeechPolicy(SpeechError):
    code = "speech_policy"
    message = "The voice provider refused to speak this reply."


class SpeechProtocol(SpeechError):
    code = "speech_protocol"
    message = "The voice server does not speak the realtime protocol. Check XAI_BASE_URL."


class SpeechUpstreamError(SpeechError):
    retryable = True


class SpeechClosed(SpeechError):
    code = "speech_closed"
    retryable = True
    message = "The voice provider closed the connection before the voice came."


class SpeechIncomplete(SpeechError):
    code = "speech_incomplete"
    retryable = True
    message = "The voice provider closed the connection in the middle of the voice."


class SpeechEmpty(SpeechError):
    code = "speech_empty"
    message = "The voice provider answered without any sound."


class SpeechBadAudio(SpeechError):
    code = "speech_bad_audio"
    message = "The voice provider sent sound that cannot be decoded."


class SpeechBadFormat(SpeechError):
    code = "speech_bad_format"
    message = "The voice provider confirmed an audio format other than 16-bit PCM."


class SpeechTooLarge(SpeechError):
    code = "speech_too_large"
    message = "The voice provider sent more than a reply can hold."


class SpeechTooLong(SpeechError):
    code = "speech_too_long"
    message = "The reply would take longer to say than the service allows (MAX_SPEECH_S)."


class SpeechBusy(SpeechError):
    code = "speech_busy"
    retryable = True
    message = "Too many replies are being spoken at once."


class SpeechCancelled(SpeechError):
    code = "speech_cancelled"
    retryable = True
    message = "The voice was stopped because the service is restarting."


class SpeechBudget(SpeechError):
    code = "speech_budget"
    message = "This chat's daily limit is used up; replies come as text."


# Our own parts.


class UnavailableError(ServiceError):
    code = "unavailable"
    status = 503
    retryable = True
    message = "The service is not ready. Try again shortly."


class DatabaseUnavailable(UnavailableError):
    code = "config_unavailable"
    message = "The service's database does not answer. Try again shortly."
