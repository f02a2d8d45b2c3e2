"""(b) The best asynchronous program we can write for the same turn: FastAPI, aiohttp, uvloop.

One session and one TLS context for the process, the speech socket opened while the model thinks, frames taken
as bytes straight to orjson, base64 by pybase64, the answer put together from bytes. It does what the service
does in an ordinary turn: checked input, the client from the database, memory, deadlines, a strict
conversation (updated before text, only our response's audio, done before answered), the text alone when the
voice fails. It lacks the rest: logs, limits, budgets, retries, CORS, byte caps.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sqlite3
import ssl
import struct
import uuid
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import aiohttp
import orjson
import pybase64
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field, ValidationError

BASE_URL = os.environ["XAI_BASE_URL"]
REALTIME_URL = BASE_URL.replace("http", "ws", 1) + "/realtime?model=grok-voice-think-fast-2.0"
HEADERS = {"Authorization": f"Bearer {os.environ['XAI_API_KEY']}"}
RATE_HZ = 24_000
CHAT_S, CONNECT_S, SPEECH_S = 25, 10, 30
TURNS_TOLD, CONVERSATIONS_AT_MOST = 20, 10_000
JSON = "application/json"


class Asked(BaseModel, extra="forbid"):
    client_id: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    message: str = Field(min_length=1, max_length=4000)
    conversation_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_.:-]{1,64}$")
    audio_format: Literal["wav"] = "wav"


class SpeechFailed(Exception):
    pass


@dataclass(frozen=True)
class Client:
    system_prompt: str
    voice: str
    model: str


class State:
    session: aiohttp.ClientSession
    database: sqlite3.Connection
    conversations: OrderedDict[tuple[str, str], deque[dict[str, str]]]
    closing: set[asyncio.Task[object]]


state = State()


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    state.database = sqlite3.connect(os.environ["REFERENCE_DATABASE"])
    state.conversations, state.closing = OrderedDict(), set()
    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context())
    # What is imported stays: the collector need not look at it again, nor after every 700 new objects.
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    async with aiohttp.ClientSession(
        connector=connector, headers=HEADERS, cookie_jar=aiohttp.DummyCookieJar()
    ) as state.session:
        yield
    state.database.close()


app = FastAPI(lifespan=lifespan, openapi_url=None)


async def health(_: Request) -> Response:
    return Response(b'{"status":"ok"}', media_type=JSON)


async def chat(request: Request) -> Response:
    try:
        asked = Asked.model_validate_json(await request.body())
    except ValidationError:
        return problem(400, "invalid_request")
    client = find_client(asked.client_id)
    if client is None:
        return problem(404, "client_not_found")
    voice = asyncio.create_task(open_voice(client.voice))
    try:
        return await answer(asked, client, voice)
    finally:
        in_background(hang_up(voice))


# Plain routes: FastAPI's own would look into a signature that holds nothing.
app.add_route("/health", health)
app.add_route("/api/chat", chat, methods=["POST"])


async def answer(
    asked: Asked, client: Client, voice: asyncio.Task[aiohttp.ClientWebSocketResponse]
) -> Response:
    conversation_id = asked.conversation_id or str(uuid.uuid4())
    past = recall((asked.client_id, conversation_id))
    question = {"role": "user", "content": asked.message}
    try:
        async with asyncio.timeout(CHAT_S):
            system = {"role": "system", "content": client.system_prompt}
            text = await ask(client.model, [system, *past, question])
    except TimeoutError:
        return problem(504, "upstream_timeout")
    except (aiohttp.ClientError, ValueError, KeyError):
        return problem(502, "upstream_bad_response")
    past += (question, {"role": "assistant", "content": text})
    try:
        async with asyncio.timeout(SPEECH_S):
            pcm = await speak(await voice, text)
    except TimeoutError:
        return reply(conversation_id, text, client.voice, None, "speech_timeout")
    except (aiohttp.ClientError, SpeechFailed, ValueError, KeyError):
        return reply(conversation_id, text, client.voice, None, "speech_upstream_error")
    return reply(conversation_id, text, client.voice, pcm, None)


def find_client(client_id: str) -> Client | None:
    query = "SELECT system_prompt, voice, ai_model FROM clients WHERE client_id = ?"
    row = state.database.execute(query, (client_id,)).fetchone()
    return Client(*row) if row else None


def recall(key: tuple[str, str]) -> deque[dict[str, str]]:
    conversations = state.conversations
    if key not in conversations:
        conversations[key] = deque(maxlen=2 * TURNS_TOLD)
        if len(conversations) > CONVERSATIONS_AT_MOST:
            conversations.popitem(last=False)
    conversations.move_to_end(key)
    return conversations[key]


async def ask(model: str, messages: list[dict[str, str]]) -> str:
    body = orjson.dumps({"model": model, "messages": messages, "stream": True})
    headers = {"Content-Type": JSON, "Accept": "text/event-stream"}
    words: list[str] = []
    rest = b""
    async with state.session.post(f"{BASE_URL}/chat/completions", data=body, headers=headers) as response:
        response.raise_for_status()
        async for data in response.content.iter_any():
            *lines, rest = (rest + data).split(b"\n")
            words += [word for line in lines if line.startswith(b"data: {") for word in content(line)]
    text = "".join(words)
    if not text.strip():
        raise ValueError("no text")
    return text


def content(line: bytes) -> list[str]:
    choices = orjson.loads(line[6:])["choices"]
    return [choice["delta"].get("content") or "" for choice in choices]


async def open_voice(voice: str) -> aiohttp.ClientWebSocketResponse:
    """A session that has confirmed its settings."""
    async with asyncio.timeout(CONNECT_S):
        socket = await state.session.ws_connect(REALTIME_URL, decode_text=False, max_msg_size=8 << 20)
        audio = {"output": {"format": {"type": "audio/pcm", "rate": RATE_HZ}}}
        session = {"voice": voice, "turn_detection": None, "audio": audio}
        await say(socket, {"type": "session.update", "session": session})
        while (await hear(socket))["type"] != "session.updated":
            pass
        return socket


async def speak(socket: aiohttp.ClientWebSocketResponse, text: str) -> bytes:
    part = [{"type": "output_text", "text": text}]
    item = {"type": "force_message", "role": "assistant", "content": part}
    await say(socket, {"type": "conversation.item.create", "item": item})
    sound: list[bytes] = []
    response_id = None
    while True:
        event = await hear(socket)
        kind = event["type"]
        if kind == "response.output_audio.delta":
            if event["response_id"] == response_id:
                sound.append(pybase64.b64decode(event["delta"], validate=True))
        elif kind == "response.created":
            response_id = response_id or event["response"]["id"]
        elif kind == "response.done" and event["response"]["id"] == response_id:
            if event["response"]["status"] != "completed" or not sound:
                raise SpeechFailed
            return b"".join(sound)


async def say(socket: aiohttp.ClientWebSocketResponse, event: dict[str, object]) -> None:
    await socket.send_frame(orjson.dumps(event), aiohttp.WSMsgType.TEXT)


async def hear(socket: aiohttp.ClientWebSocketResponse) -> dict:
    message = await socket.receive()
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise SpeechFailed
    event = orjson.loads(message.data)
    if event["type"] == "error":
        raise SpeechFailed
    return event


async def hang_up(voice: asyncio.Task[aiohttp.ClientWebSocketResponse]) -> None:
    """Off the turn's way: waiting for the peer's close frame is nobody's business who waits for sound."""
    if not voice.done():
        voice.cancel()
    with contextlib.suppress(asyncio.CancelledError, TimeoutError, aiohttp.ClientError, SpeechFailed):
        await (await voice).close()


def in_background(work: object) -> None:
    task = asyncio.ensure_future(work)
    state.closing.add(task)
    task.add_done_callback(state.closing.discard)


def reply(conversation_id: str, text: str, voice: str, pcm: bytes | None, error: str | None) -> Response:
    head = orjson.dumps({"conversation_id": conversation_id, "text": text})
    audio = {"voice": voice, "duration_s": len(pcm) / (2 * RATE_HZ)} if pcm else None
    tail = orjson.dumps({"audio": audio, "audio_error": {"code": error} if error else None})
    sound = b'"data:audio/wav;base64,%b"' % pybase64.b64encode(wav(pcm)) if pcm else b"null"
    body = b"".join((head[:-1], b',"audio_url":', sound, b",", tail[1:]))
    return Response(body, media_type=JSON)


def wav(pcm: bytes) -> bytes:
    size = len(pcm)
    form = (b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16, b"data", size)
    return struct.pack("<4sI4s4sIHHIIHH4sI", *form) + pcm


def problem(status: int, code: str) -> Response:
    return Response(orjson.dumps({"error": {"code": code}}), status, media_type=JSON)
