"""What a refusal means, and when to come back."""

from __future__ import annotations

import email.utils
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_service.errors import (
    UpstreamAuth,
    UpstreamConfig,
    UpstreamError,
    UpstreamQuota,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tts_service.refusals import refusal, retry_after_s


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 5),
        ("2", 2),
        (" 7 ", 7),
        ("0", 1),
        ("-1", 1),
        ("3600", 60),
        ("1e9", 5),
        ("1000000000", 60),
        ("9" * 400, 60),
        ("garbage", 5),
        ("", 5),
        ("--5", 5),
        ("-", 5),
        ("2.5", 5),
        ("٣", 5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Wed, 21 Oct 2415 07:28:00 GMT", 60),
        ("Wed, 99 Foo 2026 99:99:99 GMT", 5),
    ],
)
def test_retry_after_is_always_one_to_sixty_seconds(header: str | None, seconds: int) -> None:
    assert retry_after_s(header) == seconds


def test_retry_after_understands_a_date_half_a_minute_away() -> None:
    assert 27 <= retry_after_s(email.utils.formatdate(time.time() + 30, usegmt=True)) <= 30


@given(st.text() | st.from_regex(r"-?\d{0,15}[-:., A-Za-z0-9+]{0,30}", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_no_retry_after_header_can_break_us(header: str) -> None:
    assert 1 <= retry_after_s(header) <= 60


def flat(code: str, error: str) -> bytes:
    return json.dumps({"code": code, "error": error}).encode()


def nested(message: str, kind: str, code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


WRONG_KEY = "Incorrect API key provided: xa***en. You can obtain an API key from https://console.x.ai."
TOO_FAST = (
    "Too many requests for team 0b1c and model grok-4.3. Your team's rate limit is: "
    "Requests per Minute (actual/limit): 61/60. Please upgrade your billing tier."
)
NO_CREDIT = (
    "Your team 0b1c has either used all available credits or reached its monthly spending limit. "
    "To continue making API requests, please purchase more credits or raise your spending limit."
)
OPENAI_TOO_FAST = (
    "Rate limit reached for gpt-4.1 in organization org-1 on requests per min (RPM): Limit 3, Used 3. "
    "You can increase your rate limit by adding a payment method at https://platform.openai.com/account/billing."
)
OPENAI_NO_QUOTA = "You exceeded your current quota, please check your plan and billing details."

REFUSALS: dict[str, tuple[int, bytes, type[UpstreamError]]] = {
    "xAI, no credentials": (
        401,
        flat("unauthenticated:no-credentials", "No credentials presented."),
        UpstreamAuth,
    ),
    "xAI, no credentials, old": (
        401,
        flat("The request does not have valid authentication credentials", "No credentials presented."),
        UpstreamAuth,
    ),
    "xAI, wrong key": (400, flat("invalid-argument", WRONG_KEY), UpstreamAuth),
    "xAI, wrong key, old": (400, flat("Client specified an invalid argument", WRONG_KEY), UpstreamAuth),
    "xAI, no permission": (403, flat("permission-denied", "The team is blocked."), UpstreamAuth),
    "xAI, unknown model": (404, flat("not-found", "The model grok-3-fast does not exist."), UpstreamConfig),
    "xAI, bad field": (400, flat("invalid-argument", "temperature must be at most 2."), UpstreamRejected),
    "xAI, bad type": (
        422,
        flat("invalid-argument", "Failed to deserialize the JSON body."),
        UpstreamRejected,
    ),
    "xAI, media type": (415, flat("invalid-argument", "Expected application/json."), UpstreamRejected),
    "xAI, method": (405, b"", UpstreamRejected),
    "xAI, too fast": (429, flat("resource-exhausted", TOO_FAST), UpstreamRateLimited),
    "xAI, too fast, old": (429, flat("Some resource has been exhausted", TOO_FAST), UpstreamRateLimited),
    "xAI, no credit": (429, flat("resource-exhausted", NO_CREDIT), UpstreamQuota),
    "xAI, no credit, old": (429, flat("Some resource has been exhausted", NO_CREDIT), UpstreamQuota),
    "xAI, internal": (500, flat("internal", "Internal error."), UpstreamUnavailable),
    "OpenAI, wrong key": (
        401,
        nested("Incorrect API key provided: sk-no.", "invalid_request_error", "invalid_api_key"),
        UpstreamAuth,
    ),
    "OpenAI, unknown model": (
        404,
        nested("The model does not exist", "invalid_request_error", "model_not_found"),
        UpstreamConfig,
    ),
    "OpenAI, bad field": (
        400,
        nested("Unsupported parameter: 'max_tokens'.", "invalid_request_error", "unsupported_parameter"),
        UpstreamRejected,
    ),
    "OpenAI, too fast": (
        429,
        nested(OPENAI_TOO_FAST, "requests", "rate_limit_exceeded"),
        UpstreamRateLimited,
    ),
    "OpenAI, no quota": (
        429,
        nested(OPENAI_NO_QUOTA, "insufficient_quota", "insufficient_quota"),
        UpstreamQuota,
    ),
    "OpenAI, account not active": (
        429,
        nested("Your account is not active, please check your billing details.", "billing_not_active"),
        UpstreamQuota,
    ),
    "OpenAI, internal": (500, nested("The server had an error", "server_error"), UpstreamUnavailable),
    "payment required": (402, b"", UpstreamQuota),
    "429 and not a word": (429, b"", UpstreamRateLimited),
    "400 and not a word": (400, b"", UpstreamRejected),
    "bytes that are no text": (400, b"\xff\xfe\x00" * 100, UpstreamRejected),
    "timeout of a gateway's own": (408, b"", UpstreamUnavailable),
    "no content": (204, b"", UpstreamRejected),
    "moved": (301, b"", UpstreamRejected),
    "temporary": (307, b"", UpstreamRejected),
    "gone": (410, b"", UpstreamRejected),
} | {f"outage {status}": (status, b"<h1>nginx</h1>", UpstreamUnavailable) for status in (502, 503, 504, 529)}


@pytest.mark.parametrize(("status", "body", "error"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_told_apart_by_what_its_owner_has_to_do(
    status: int, body: bytes, error: type[UpstreamError]
) -> None:
    assert type(refusal(status, body)) is error


@pytest.mark.parametrize(("status", "body", "error"), REFUSALS.values(), ids=REFUSALS)
def test_no_word_of_a_refusal_reaches_an_exception(
    status: int, body: bytes, error: type[UpstreamError]
) -> None:
    raised = refusal(status, body + b" canary-xa***en")

    assert "canary" not in f"{raised!r} {raised} {raised.message} {raised.args}"


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [(429, None, 5), (429, "2", 2), (429, "3600", 60), (503, None, None), (503, "2", 2), (500, "-1", 1)],
)
def test_a_refusal_says_when_to_come_back(status: int, header: str | None, seconds: int | None) -> None:
    assert refusal(status, b"", header).retry_after_s == seconds
