"""The voice through the front door: event stream, MP3, greeting, against the sandbox over real sockets."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.serving import make_server

from tts_service.app import close_app, create_app
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database.engine import open_database
from tts_service.sandbox.main import start_in_thread
from tts_service.settings import load

EVENTS = {"Accept": "text/event-stream"}
Ask = Callable[..., requests.Response]


class Speaking:
    """A service whose provider is the sandbox; `client(**fields)` makes a client of it."""

    def __init__(self, env: dict[str, str], port: int, sandbox: str) -> None:
        self._env, self.port, self.sandbox = env, port, sandbox

    def client(self, **fields: object) -> str:
        settings = load(self._env)
        database = open_database(settings.database_url)
        try:
            return ClientStore(database, Sealer(settings.secret_keys)).add({"name": "A"} | fields).client_id
        finally:
            database.close()

    def post(self, path: str, body: dict[str, object], **headers: str) -> requests.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return requests.post(url, json=body, headers={"Connection": "close"} | headers, timeout=60)

    def ask(self, client: str, message: str, headers: dict[str, str] | None = None, **fields: object) -> Any:
        return self.post("/api/chat", {"client_id": client, "message": message} | fields, **(headers or {}))

    def calls(self) -> list[dict[str, Any]]:
        answer = requests.get(
            self.sandbox.removesuffix("/v1") + "/sandbox/calls", headers={"Connection": "close"}, timeout=60
        )
        calls: list[dict[str, Any]] = answer.json()["calls"]
        return calls


@pytest.fixture
def speaking(tmp_path: Path) -> Iterator[Speaking]:
    with start_in_thread(pace=0.0) as sandbox:
        env = {
            "XAI_BASE_URL": sandbox,
            "XAI_API_KEY": "xai-sandbox",
            "TTS_INSTANCE": str(tmp_path),
            "RATE_LIMIT_IP": "",
            "RATE_LIMIT_CLIENT": "",
        }
        app = create_app(load(env))
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Speaking(env, server.server_port, sandbox)
        server.shutdown()
        thread.join()
        server.server_close()
        close_app(app)


def events(answer: requests.Response) -> list[tuple[str, dict[str, Any]]]:
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    blocks = answer.text.removesuffix("\n\n").split("\n\n")
    pairs = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
    return [(pair["event"], json.loads(pair["data"])) for pair in pairs]


def sound(wav: str) -> bytes:
    with wave.open(io.BytesIO(base64.b64decode(wav, validate=True))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)
        return file.readframes(file.getnframes())


TEXT = "Say: We open at **nine**. Everybody is welcome to come in! See <https://example.com> for more."


@pytest.mark.parametrize("engine", ["realtime", "tts"])
def test_the_event_stream_is_the_same_turn_as_the_json(speaking: Speaking, engine: str) -> None:
    client = speaking.client(speech_engine=engine)
    told = events(speaking.ask(client, TEXT, EVENTS))
    names = [name for name, _ in told]
    done = told[-1][1]

    assert names.count("done") == 1
    assert names[-1] == "done"
    assert "".join(data["delta"] for name, data in told if name == "text") == done["text"] == TEXT[5:]
    pieces = [data for name, data in told if name == "audio"]
    assert [piece["seq"] for piece in pieces] == list(range(len(pieces)))
    spoken = " ".join(piece["text"] for piece in pieces)
    assert spoken.startswith("We open at nine. Everybody is welcome to come in!")
    assert "*" not in spoken
    assert "<" not in spoken
    assert "https" not in spoken
    assert "audio_url" not in done
    assert done["audio_error"] is None
    seconds = sum(len(sound(piece["wav"])) for piece in pieces) / 48_000
    assert done["audio"]["duration_s"] == pytest.approx(seconds, abs=0.01)
    assert done["conversation_id"]


def test_the_first_piece_is_heard_while_the_model_still_writes(speaking: Speaking) -> None:
    client = speaking.client(ai_api_key="xai-sandbox+chat.pace=1")
    words = "Say: This is the first sentence of it. " + "And here is another one of many. " * 8
    names = [name for name, _ in events(speaking.ask(client, words, EVENTS))]
    assert "text" in names[names.index("audio") :]


def test_a_turn_without_text_keeps_its_status_in_the_event_stream(speaking: Speaking) -> None:
    answer = speaking.ask(speaking.client(ai_api_key="xai-sandbox+chat.http=401"), "Hi", EVENTS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_auth")


def test_a_model_that_breaks_off_ends_the_event_stream_with_an_error(speaking: Speaking) -> None:
    client = speaking.client(ai_api_key="xai-sandbox+chat.cut")
    name, data = events(speaking.ask(client, "Say: " + "Words and more words. " * 20, EVENTS))[-1]
    assert (name, data["error"]["code"]) == ("error", "upstream_bad_response")
    assert data["error"]["request_id"]


def test_a_reader_who_leaves_the_event_stream_ends_the_turn_and_buys_nothing_more(
    speaking: Speaking,
) -> None:
    client = speaking.client(ai_api_key="xai-sandbox+chat.pace=1,realtime.pace=1")
    text = "Say: One sentence to begin with. " + "And quite a few more words to follow it. " * 40
    body = json.dumps({"client_id": client, "message": text})
    connection = http.client.HTTPConnection("127.0.0.1", speaking.port, timeout=60)
    connection.request("POST", "/api/chat", body, {"Content-Type": "application/json"} | EVENTS)
    answer = connection.getresponse()
    while not answer.readline().startswith(b"event: audio"):
        pass
    assert connection.sock is None or connection.sock.shutdown(socket.SHUT_RDWR) is None
    answer.close()
    connection.close()

    def open_sessions() -> int:
        url = speaking.sandbox.removesuffix("/v1") + "/sandbox/calls"
        counters = requests.get(url, headers={"Connection": "close"}, timeout=60).json()["counters"]
        return int(counters["realtime_sessions_open"])

    until = time.monotonic() + 20
    while open_sessions() and time.monotonic() < until:
        time.sleep(0.05)
    assert open_sessions() == 0


def test_a_browser_that_accepts_anything_gets_the_json(speaking: Speaking) -> None:
    answer = speaking.ask(speaking.client(), "Say: Hello there.", {"Accept": "*/*"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["audio_url"].startswith("data:audio/wav;base64,")


def test_mp3_is_small_and_says_what_it_is(speaking: Speaking) -> None:
    client = speaking.client()
    plain = speaking.ask(client, TEXT).json()
    small = speaking.ask(client, TEXT, audio_format="mp3").json()
    head, _, data = small["audio_url"].partition(",")
    assert head == "data:audio/mpeg;base64"
    assert base64.b64decode(data, validate=True)[0] == 0xFF
    assert len(small["audio_url"]) < len(plain["audio_url"]) / 4
    pieces = [e for n, e in events(speaking.ask(client, TEXT, EVENTS, audio_format="mp3")) if n == "audio"]
    assert all("wav" not in piece and base64.b64decode(piece["mp3"])[0] == 0xFF for piece in pieces)


def test_a_reply_said_before_is_not_bought_again(speaking: Speaking) -> None:
    client, text = speaking.client(), "Say: This sentence is spoken twice but bought once only."
    first = speaking.ask(client, text).json()["audio"]
    second = speaking.ask(client, text).json()["audio"]
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["duration_s"] == second["duration_s"]


# The greeting.


def test_the_greeting_is_spoken_and_bought_once(speaking: Speaking) -> None:
    client = speaking.client(greeting="Welcome to **Acme**! How may we help?", voice="leo")
    first = speaking.post("/api/greeting", {"client_id": client}).json()
    again = speaking.post("/api/greeting", {"client_id": client}).json()
    assert first["text"] == "Welcome to **Acme**! How may we help?"
    assert (first["audio"]["voice"], first["audio"]["cached"], again["audio"]["cached"]) == (
        "leo",
        False,
        True,
    )
    assert first["audio_url"] == again["audio_url"]
    assert len(sound(first["audio_url"].partition(",")[2])) > 48_000


def test_a_client_without_a_greeting_says_nothing(speaking: Speaking) -> None:
    answer = speaking.post("/api/greeting", {"client_id": speaking.client()}).json()
    assert answer == {"text": "", "audio_url": None, "audio": None, "audio_error": None}


def test_a_greeting_whose_voice_fails_is_still_written(speaking: Speaking) -> None:
    client = speaking.client(greeting="Good morning!", ai_api_key="xai-sandbox+realtime.http=429")
    answer = speaking.post("/api/greeting", {"client_id": client}).json()
    assert (answer["text"], answer["audio_url"]) == ("Good morning!", None)
    assert answer["audio_error"]["code"] == "speech_rate_limited"


def test_the_greeting_keeps_the_clients_origins(speaking: Speaking) -> None:
    client = speaking.client(greeting="Hello!", allowed_origins=["https://www.acme.com"])
    for origin, status in (("https://www.acme.com", 200), ("https://evil.example", 403)):
        answer = speaking.post("/api/greeting", {"client_id": client}, Origin=origin)
        assert answer.status_code == status
        allowed = answer.headers.get("Access-Control-Allow-Origin")
        assert allowed == (origin if status == 200 else None)


@pytest.mark.parametrize("body", [{}, {"client_id": 7}, {"client_id": "x"}, {"message": "Hi"}, []])
def test_the_greeting_takes_a_client_id_and_nothing_else(speaking: Speaking, body: Any) -> None:
    assert speaking.post("/api/greeting", body).status_code == 400
