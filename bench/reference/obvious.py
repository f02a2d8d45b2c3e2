"""(a) The turn as the provider's documentation leads one to write it: FastAPI, httpx, websockets.

One step after the other: the model's whole reply, an ephemeral secret, the socket, the speech; json, base64
and wave from the standard library. Clients are shared and everything has a time limit: it is a sound program
by somebody who had other things to do than to measure it.
"""

import asyncio
import base64
import io
import json
import os
import sqlite3
import uuid
import wave
from collections import defaultdict
from contextlib import asynccontextmanager

import httpx
import websockets
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

XAI_BASE_URL = os.environ["XAI_BASE_URL"]
XAI_API_KEY = os.environ["XAI_API_KEY"]
REALTIME_URL = XAI_BASE_URL.replace("http", "ws", 1) + "/realtime"
SAMPLE_RATE = 24000


class ChatRequest(BaseModel):
    client_id: str
    message: str = Field(min_length=1, max_length=4000)
    conversation_id: str | None = None


class ChatReply(BaseModel):
    conversation_id: str
    text: str
    audio_url: str


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.database = sqlite3.connect(os.environ["REFERENCE_DATABASE"])
    app.state.conversations = defaultdict(list)
    # The default limit of 100 connections would be the bottleneck long before the machine is.
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
    headers = {"Authorization": f"Bearer {XAI_API_KEY}"}
    async with httpx.AsyncClient(headers=headers, timeout=30, limits=limits) as http:
        app.state.http = http
        yield
    app.state.database.close()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.post("/api/chat")
async def chat(asked: ChatRequest) -> ChatReply:
    system_prompt, voice, model = find_client(asked.client_id)
    conversation_id = asked.conversation_id or str(uuid.uuid4())
    conversation = app.state.conversations[asked.client_id, conversation_id]
    conversation.append({"role": "user", "content": asked.message})
    text = await ask_model(model, [{"role": "system", "content": system_prompt}, *conversation[-40:]])
    conversation.append({"role": "assistant", "content": text})
    async with asyncio.timeout(30):
        pcm = await speak(await mint_secret(), voice, text)
    return ChatReply(conversation_id=conversation_id, text=text, audio_url=data_url(pcm))


def find_client(client_id: str) -> tuple[str, str, str]:
    query = "SELECT system_prompt, voice, ai_model FROM clients WHERE client_id = ?"
    row = app.state.database.execute(query, (client_id,)).fetchone()
    if row is None:
        raise HTTPException(404, "client_not_found")
    return row


async def ask_model(model: str, messages: list[dict]) -> str:
    response = await app.state.http.post(
        f"{XAI_BASE_URL}/chat/completions", json={"model": model, "messages": messages}
    )
    response.raise_for_status()
    return response.json()["choices"][0]["message"]["content"]


async def mint_secret() -> str:
    response = await app.state.http.post(
        f"{XAI_BASE_URL}/realtime/client_secrets", json={"expires_after": {"seconds": 300}}
    )
    response.raise_for_status()
    return response.json()["value"]


async def speak(secret: str, voice: str, text: str) -> bytes:
    url = f"{REALTIME_URL}?model=grok-voice-think-fast-2.0"
    headers = {"Authorization": f"Bearer {secret}"}
    pcm = bytearray()
    async with websockets.connect(url, additional_headers=headers) as socket:
        audio = {"output": {"format": {"type": "audio/pcm", "rate": SAMPLE_RATE}}}
        session = {"voice": voice, "turn_detection": None, "audio": audio}
        await socket.send(json.dumps({"type": "session.update", "session": session}))
        async for message in socket:
            event = json.loads(message)
            if event["type"] == "session.updated":
                await socket.send(json.dumps(force_message(text)))
            elif event["type"] == "response.output_audio.delta":
                pcm += base64.b64decode(event["delta"])
            elif event["type"] == "response.done":
                break
            elif event["type"] == "error":
                raise HTTPException(502, "speech_failed")
    return bytes(pcm)


def force_message(text: str) -> dict:
    content = [{"type": "output_text", "text": text}]
    item = {"type": "force_message", "role": "assistant", "content": content}
    return {"type": "conversation.item.create", "item": item}


def data_url(pcm: bytes) -> str:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(pcm)
    return "data:audio/wav;base64," + base64.b64encode(buffer.getvalue()).decode()
