#!/usr/bin/env python3
"""Asks the service one question over HTTP and writes the spoken reply to a file.

    python samples/ask.py CLIENT_ID "What are your opening hours?" --out test_output.wav

Needs the `requests` package and a service that is running (`make run` prints the client_id).
Exit codes: 0 the file is written, 1 the service refused or cannot be reached, 2 wrong arguments,
3 the text came and the voice did not.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import re
import sys
from pathlib import Path
from typing import Any

import requests

CONNECT_S, ANSWER_S = 5, 70  # the service's own budgets add up to 55 s
DATA_URL = re.compile(r"data:audio/(?:wav|mpeg);base64,")


class Refusal(Exception):
    """What to tell the person at the terminal."""


def main() -> int:
    asked = arguments()
    try:
        reply = ask(asked.url, asked.client_id, asked.question, asked.format)
        print(reply["text"])
        print_numbers(reply)
        sound = sound_of(reply)
        if sound is not None:
            asked.out.write_bytes(sound)
    except (Refusal, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    if sound is None:
        print(f"\nNo voice: {why_silent(reply)}", file=sys.stderr)
        return 3
    print(f"\nWrote {asked.out} ({len(sound):,} bytes)")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ask the service a question and keep the spoken reply.")
    parser.add_argument("client_id", help="as `tts-service clients list` prints it")
    parser.add_argument("question")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the service (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("test_output.wav"), help="default: %(default)s")
    parser.add_argument("--format", choices=("wav", "mp3"), default="wav", help="default: %(default)s")
    return parser.parse_args()


def ask(url: str, client_id: str, question: str, audio_format: str) -> dict[str, Any]:
    """The reply of POST /api/chat. Raises Refusal with the service's own message."""
    body = {"client_id": client_id, "message": question, "audio_format": audio_format}
    try:
        response = requests.post(f"{url.rstrip('/')}/api/chat", json=body, timeout=(CONNECT_S, ANSWER_S))
        answer = response.json()
    except requests.JSONDecodeError:
        raise Refusal(
            f"{url} answered {response.status_code}, but not with JSON. Is it the service?"
        ) from None
    except requests.Timeout:
        raise Refusal(f"{url} did not answer in time.") from None
    except requests.RequestException as problem:
        raise Refusal(
            f"{url} cannot be reached ({type(problem).__name__}). Is the service running? Try: make run"
        ) from None
    if response.status_code != 200:
        raise Refusal(told(response, answer))
    return answer


def told(response: requests.Response, answer: Any) -> str:
    """The service's error in one line."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return f"The service answered {response.status_code} without saying why."
    wait = response.headers.get("Retry-After")
    return (
        f"{response.status_code} {error.get('code')}: {error.get('message')}"
        + (f" Wait {wait} s." if wait else "")
        + f" (request id {error.get('request_id')})"
    )


def print_numbers(reply: dict[str, Any]) -> None:
    print()
    for stage, spent_ms in reply["timings_ms"].items():
        if spent_ms is not None:
            print(f"{stage:>20} {spent_ms:>7.0f} ms")
    if audio := reply["audio"]:
        cut = ", ends before the text does" if audio["truncated"] else ""
        print(f"{'voice':>20} {audio['voice']}, {audio['duration_s']:.2f} s{cut}")


def sound_of(reply: dict[str, Any]) -> bytes | None:
    """The file in `audio_url`, or None when the reply has no voice."""
    url = reply["audio_url"]
    if url is None:
        return None
    head = DATA_URL.match(url)
    if not head:
        raise Refusal("The service sent an audio_url that is no audio data URL.")
    try:
        return base64.b64decode(url[head.end() :], validate=True)
    except binascii.Error:
        raise Refusal("The service sent an audio_url whose base64 is broken.") from None


def why_silent(reply: dict[str, Any]) -> str:
    error = reply["audio_error"]
    if error is None:
        return "this client answers in text only (see its ai_provider and speech_provider)."
    return f"{error['code']}: {error['message']}"


if __name__ == "__main__":
    sys.exit(main())
