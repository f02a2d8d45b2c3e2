"""Every fault of the table, asked for in the key, seen from the other end of the socket."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import time

import pytest
import requests
import websocket

from tts_service.sandbox.faults import SURFACES, TABLE

TEXT = "Hello there. This is the second sentence of the reply."
SOCKETS = {"realtime": "/realtime", "tts_ws": "/tts?language=en&codec=pcm"}
OFFER = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
REQUESTS = {
    "chat": (
        "POST",
        "/chat/completions",
        {"model": "grok-4.3", "messages": [{"role": "user", "content": f"Say: {TEXT}"}]},
    ),
    "secrets": ("POST", "/realtime/client_secrets", {}),
    "tts": ("POST", "/tts", {"text": TEXT, "language": "en", "output_format": {"codec": "pcm"}}),
    "voices": ("GET", "/tts/voices", None),
    "models": ("GET", "/models", None),
    "calls": ("POST", "/realtime/calls", {"sdp": OFFER}),
}
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def key_for(surface, spec):
    start = "sk-sandbox" if surface == "calls" else "xai-sandbox"
    return f"{start}+{spec}"


def request_bytes(surface, key):
    """A minimal valid request of that surface, as bytes."""
    method, path, body = REQUESTS.get(surface, ("GET", SOCKETS.get(surface), None))
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /v1{path} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {key}\r\n"
    head += UPGRADE if surface in SOCKETS else "Connection: close\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    return head.encode() + b"\r\n" + content


def raw(peer, surface, spec, **rest):
    answer, ending = peer.raw(request_bytes(surface, key_for(surface, spec)), **rest)
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode("latin-1"), body, ending


@contextlib.contextmanager
def socket_of(peer, surface, spec, **rest):
    with peer.connect(SOCKETS[surface], key=key_for(surface, f"{surface}.{spec}"), **rest) as talk:
        yield talk


def begin(talk, surface, text=TEXT):
    """Asks for speech on either kind of socket."""
    if surface == "realtime":
        talk.opened()
        talk.force(text)
    else:
        talk.send({"type": "text.delta", "delta": text}, {"type": "text.done"})


LAST = {"realtime": "response.done", "tts_ws": "audio.done"}
DELTA = {"realtime": "response.output_audio.delta", "tts_ws": "audio.delta"}


def speech(peer, surface, spec, **rest):
    """The events of one spoken text under that fault, up to the last one or a close."""
    with socket_of(peer, surface, spec, **rest) as talk:
        begin(talk, surface)
        return talk.until(LAST[surface])


def kinds(events):
    return [event["type"] if isinstance(event, dict) else event for event in events]


def deltas(events, surface):
    return [e["delta"] for e in events if isinstance(e, dict) and e.get("type") == DELTA[surface]]


def silent_for(talk, seconds):
    talk.ws.settimeout(seconds)
    with pytest.raises(websocket.WebSocketTimeoutException):
        talk.receive()


def broken(talk):
    """The peer's library gives up on what it hears."""
    with pytest.raises((websocket.WebSocketException, OSError)):
        talk.until("a type nobody sends")


# Faults of every surface: (peer, surface) -> None


def check_pace(peer, surface):
    if surface != "chat":
        return
    began = time.monotonic()
    raw(peer, "chat", "pace=0.5")
    assert time.monotonic() - began > 0.1


def check_delay_ms(peer, surface):
    began = time.monotonic()
    head, _, _ = raw(peer, surface, "delay_ms=200")
    assert time.monotonic() - began >= 0.2
    assert head.startswith("HTTP/1.1 ")


def check_http(peer, surface):
    head, body, _ = raw(peer, surface, f"{surface}.http=503")
    assert head.startswith("HTTP/1.1 503")
    error = json.loads(body)
    assert error["error"]["message"] if surface == "calls" else error["code"] == "unavailable"


def check_retry_after(peer, surface):
    head, _, _ = raw(peer, surface, "http=429,retry_after=Wed%2C 21")
    assert "Retry-After: Wed, 21" in head


def check_old_codes(peer, surface):
    _, body, _ = raw(peer, surface, "http=429,old_codes")
    assert surface == "calls" or json.loads(body)["code"] == "Some resource has been exhausted"


def check_html(peer, surface):
    head, body, _ = raw(peer, surface, "html")
    assert head.startswith("HTTP/1.1 200")
    assert "text/html" in head
    assert body.startswith(b"<!doctype html>")


def check_redirect(peer, surface):
    head, _, _ = raw(peer, surface, "redirect")
    assert head.startswith("HTTP/1.1 302")
    assert "/sandbox/landing" in head


def check_reset(peer, surface):
    head, _, ending = raw(peer, surface, "reset")
    assert (head, ending) == ("", "reset")


def check_hang(peer, surface):
    assert raw(peer, surface, "hang", wait_s=0.15) == ("", b"", "open")


def check_drip_headers(peer, surface):
    head, _, ending = raw(peer, surface, "drip_headers", wait_s=0.3)
    assert ending == "open" or len(head) < 10
    assert "HTTP/1.1 200".startswith(head)


def check_big_body(peer, surface):
    head, body, _ = raw(peer, surface, "big_body=3000000")
    assert head.startswith("HTTP/1.1 503")
    assert len(body) == 3_000_000


# Chat


def streamed(peer, spec, **fields):
    return peer.chat(f"Say: {TEXT}", key=f"xai-sandbox+chat.{spec}", stream=True, **fields).text


def whole(peer, spec):
    return peer.chat(f"Say: {TEXT}", key=f"xai-sandbox+chat.{spec}").json()


def check_chat_cut(peer, surface):
    head, body, ending = raw(peer, surface, f"{surface}.cut")
    assert head.startswith("HTTP/1.1 200")
    assert ending == "reset" or not body.endswith(b"0\r\n\r\n")
    if surface == "chat":
        with pytest.raises(requests.RequestException):
            streamed(peer, "cut")


def check_error_mid_stream(peer, _surface):
    text = streamed(peer, "error_mid_stream")
    assert "Hello" in text
    assert '{"code":"internal"' in text.split("data: ")[-1]
    assert "[DONE]" not in text


def check_empty(peer, surface):
    head, body, _ = raw(peer, surface, f"{surface}.empty")
    assert head.startswith("HTTP/1.1 200")
    assert body in (b"", b"0\r\n\r\n", b'{"voices": []}')


def check_drip(peer, surface):
    _, body, _ = raw(peer, surface, f"{surface}.drip", enough=r".*\r\n\r\n..")
    assert 0 < len(body) < 30


def check_no_done(peer, _surface):
    assert "[DONE]" not in streamed(peer, "no_done")
    assert '"finish_reason":"stop"' in streamed(peer, "no_done")


def check_truncated_json(peer, _surface):
    with pytest.raises(requests.JSONDecodeError):
        whole(peer, "truncated_json")
    chunks = [line for line in streamed(peer, "truncated_json").split("\n\n") if line]
    with pytest.raises(json.JSONDecodeError):
        [json.loads(chunk.removeprefix("data: ")) for chunk in chunks[:-1]]


def check_choices_empty(peer, _surface):
    assert whole(peer, "choices_empty")["choices"] == []
    assert '"delta"' not in streamed(peer, "choices_empty")


def check_content_null(peer, _surface):
    assert whole(peer, "content_null")["choices"][0]["message"]["content"] is None
    assert "Hello" not in streamed(peer, "content_null")


def check_tool_call(peer, _surface):
    choice = whole(peer, "tool_call")["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"]
    assert '"tool_calls":[{' in streamed(peer, "tool_call")


def check_refusal(peer, _surface):
    message = whole(peer, "refusal")["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (None, TEXT)
    assert '{"refusal":"Hello "}' in streamed(peer, "refusal")


def check_finish(peer, _surface):
    assert whole(peer, "finish=end_turn")["choices"][0]["finish_reason"] == "end_turn"


def check_reasoning(peer, _surface):
    usage = whole(peer, "reasoning")["usage"]
    assert usage["total_tokens"] > usage["prompt_tokens"] + usage["completion_tokens"]
    text = streamed(peer, "reasoning")
    assert text.index("reasoning_content") < text.index("Hello")


def check_usage_on_finish(peer, _surface):
    chunks = [c.removeprefix("data: ") for c in streamed(peer, "usage_on_finish").split("\n\n")]
    last = json.loads(chunks[-3])
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]


def check_endless(peer, surface):
    if surface == "realtime":
        with socket_of(peer, "realtime", "endless") as talk:
            begin(talk, "realtime")
            assert sum("delta" in e for e in (talk.receive() for _ in range(400))) > 300
        return
    spec = "xai-sandbox+chat.endless"
    for stream in (True, False):
        body = {**REQUESTS["chat"][2], "stream": stream}
        with peer.call("POST", "/chat/completions", key=spec, json=body, stream=True) as answer:
            received = 0
            for part in answer.iter_content(65_536):
                received += len(part)
                if received > 3_000_000:
                    break
        assert received > 3_000_000


def check_gzip_bomb(peer, _surface):
    head, body, _ = raw(peer, "chat", "chat.gzip_bomb")
    assert "gzip" in head
    assert len(body) < 100_000
    assert len(gzip.decompress(body)) == 64 * 1_048_576


# Secrets


def secret(peer, spec):
    key = f"xai-sandbox+secrets.{spec}"
    return peer.call("POST", "/realtime/client_secrets", key=key, json={}).json()


def check_no_value(peer, _surface):
    assert set(secret(peer, "no_value")) == {"expires_at"}


def check_value(peer, _surface):
    assert secret(peer, "value=number")["value"] == 42
    assert len(secret(peer, "value=huge")["value"]) == 1_000_000
    assert "\r\n" in secret(peer, "value=control")["value"]
    assert secret(peer, "value=empty")["value"] == ""


def check_expires(peer, _surface):
    assert secret(peer, "expires=past")["expires_at"] < time.time()
    assert secret(peer, "expires=ms")["expires_at"] > 1e12
    assert secret(peer, "expires=string")["expires_at"].isdigit()


def check_bind_session(peer, _surface):
    body = {"session": {"model": "grok-voice-think-fast-1.0"}}
    for spec, model in (("+secrets.bind_session", "1.0"), ("", "2.0")):
        made = peer.call("POST", "/realtime/client_secrets", key="xai-sandbox" + spec, json=body).json()
        with peer.connect(key=made["value"]) as talk:
            assert talk.receive()["session"]["model"] == f"grok-voice-think-fast-{model}"


# Both sockets


def check_max_sessions(peer, surface):
    with socket_of(peer, surface, "max_sessions=1"):
        key = key_for(surface, f"{surface}.max_sessions=1")
        status, body, _ = peer.refused(SOCKETS[surface], key=key)
        assert (status, body["code"]) == (429, "resource-exhausted")
        assert "2/1" in body["error"]
    time.sleep(0.1)
    with socket_of(peer, surface, "max_sessions=1"):
        pass


def check_handshake(peer, surface):
    with pytest.raises(websocket.WebSocketException), socket_of(peer, surface, "handshake=bad_accept"):
        pass
    head, _, _ = raw(peer, surface, f"{surface}.handshake=extension")
    assert "Sec-WebSocket-Extensions: x-nobody" in head
    head, _, _ = raw(peer, surface, f"{surface}.handshake=endless_headers", enough="101 .")
    assert head.startswith("HTTP/1.1 101")


def check_mute(peer, surface):
    with socket_of(peer, surface, "mute") as talk:
        talk.send({"type": "session.update", "session": {}}, {"type": "text.done"})
        silent_for(talk, 0.3)


def check_ws_pings(peer, surface):
    with socket_of(peer, surface, "ws_pings") as talk:
        for _ in range(3):
            opcode, _frame = talk.ws.recv_data_frame(control_frame=True)
            assert opcode == websocket.ABNF.OPCODE_PING


def check_stop_reading(peer, surface):
    with socket_of(peer, surface, "stop_reading") as talk:
        if surface == "realtime":
            talk.opened()
        talk.ws.settimeout(0.2)
        with pytest.raises((websocket.WebSocketTimeoutException, OSError)):
            talk.ws.send_binary(bytes(16_000_000))


def check_close_before_audio(peer, surface):
    events = speech(peer, surface, "close_before_audio=1013")
    assert events[-1] == 1013
    assert not deltas(events, surface)
    assert speech(peer, surface, "close_before_audio")[-1] == 1000
    with socket_of(peer, surface, "close_before_audio=1006") as talk:
        with contextlib.suppress(ConnectionError):
            begin(talk, surface)
        broken(talk)


def check_close_after_audio(peer, surface):
    events = speech(peer, surface, "close_after_audio=1011")
    assert events[-1] == 1011
    assert len(deltas(events, surface)) == 3


def check_close_after_done(peer, surface):
    events = speech(peer, surface, "close_after_done=4000")
    assert events[-1] == 4000 or surface == "tts_ws"
    assert len(deltas(events, surface)) > 10


def check_cut_frame(peer, surface):
    with socket_of(peer, surface, "cut_frame") as talk:
        begin(talk, surface)
        broken(talk)


def check_drip_frame(peer, surface):
    with socket_of(peer, surface, "drip_frame") as talk:
        begin(talk, surface)
        if surface == "realtime":
            talk.until("response.content_part.added")
        sizes = [len(talk.ws.sock.recv(100)) for _ in range(3)]
    assert sizes == [1, 1, 1]


def check_drip_ms(peer, surface):
    with socket_of(peer, surface, "drip_ms=100") as talk:
        begin(talk, surface)
        talk.until(DELTA[surface])
        began = time.monotonic()
        first = talk.until(DELTA[surface])[-1]
        talk.until(DELTA[surface])
        assert time.monotonic() - began > 0.18
        assert len(base64.b64decode(first["delta"])) == 960


def check_bad_base64(peer, surface):
    def first(kind):
        return deltas(speech(peer, surface, f"bad_base64={kind}"), surface)[0]

    for kind in ("alphabet", "padding", "urlsafe", "whitespace"):
        with pytest.raises(ValueError):
            base64.b64decode(first(kind), validate=True)
    assert first("number") == 12_345
    assert first("empty") == ""


def check_odd_bytes(peer, surface):
    sizes = [len(base64.b64decode(d)) for d in deltas(speech(peer, surface, "odd_bytes"), surface)]
    assert sum(size % 2 for size in sizes) > len(sizes) // 2
    assert sum(sizes) % 2 == 0


def check_odd_total(peer, surface):
    found = deltas(speech(peer, surface, "odd_total"), surface)
    assert sum(len(base64.b64decode(one)) for one in found) % 2 == 1


def check_bad_json(peer, surface):
    with socket_of(peer, surface, "bad_json=4") as talk:
        begin(talk, surface)
        frames = [b""]
        while LAST[surface].encode() not in frames[-1]:
            frames.append(talk.ws.recv_data()[1])
    assert [f for f in frames if f in (b"{", b"[1]", b'"x"')] == [b"{", b"[1]", b'"x"']


def check_binary_frame(peer, surface):
    events = speech(peer, surface, "binary_frame=2")
    assert [len(e) for e in events if isinstance(e, bytes)] == [200, 200]


def check_huge_frame(peer, surface):
    with socket_of(peer, surface, "huge_frame=3000000") as talk:
        begin(talk, surface)
        while len(data := talk.ws.recv_data()[1]) < 1_000_000:
            pass
    assert len(data) == 3_000_000


def check_bad_frame(peer, surface):
    for kind in ("rsv", "continuation", "length"):
        with socket_of(peer, surface, f"bad_frame={kind}", timeout=0.3) as talk:
            begin(talk, surface)
            broken(talk)
    key = key_for(surface, f"{surface}.bad_frame=utf8")
    with peer.connect(SOCKETS[surface], key=key) as talk:
        begin(talk, surface)
        with pytest.raises(UnicodeDecodeError):
            talk.until(LAST[surface])
    with socket_of(peer, surface, "bad_frame=masked") as talk:
        begin(talk, surface)
        masked = [talk.ws.recv_frame() for _ in range(8)]
        assert any(frame.mask_value for frame in masked)
    events = speech(peer, surface, "bad_frame=fragments")
    assert any(len(event.get("padding", "")) == 10_000 for event in events)


def check_no_audio(peer, surface):
    events = speech(peer, surface, "no_audio")
    assert events[-1]["type"] == LAST[surface]
    assert not deltas(events, surface)


def check_no_audio_done(peer, surface):
    with socket_of(peer, surface, "no_audio_done") as talk:
        begin(talk, surface)
        if surface == "realtime":
            assert "response.output_audio.done" not in kinds(talk.until("response.done"))
        else:
            talk.ws.settimeout(0.3)
            with pytest.raises(websocket.WebSocketTimeoutException):
                talk.until("audio.done")


# Realtime


def opening(peer, spec, count=3):
    with socket_of(peer, "realtime", spec) as talk:
        return [talk.receive() for _ in range(count)]


def check_legacy_open(peer, _surface):
    assert kinds(opening(peer, "legacy_open", 2)) == ["conversation.created", "ping"]


def check_json_pings(peer, _surface):
    assert kinds(opening(peer, "json_pings", 4)) == ["ping"] * 4


def check_ping_every_s(peer, _surface):
    assert kinds(opening(peer, "ping_every_s=0.05", 5))[2:] == ["ping"] * 3


def check_no_session_updated(peer, _surface):
    with socket_of(peer, "realtime", "no_session_updated") as talk:
        talk.until("ping")
        talk.send({"type": "session.update", "session": {}})
        silent_for(talk, 0.3)


def check_voice_echo(peer, _surface):
    with socket_of(peer, "realtime", "voice_echo") as talk:
        assert talk.opened(voice="nobody")["voice"] == "xai_ara"


def check_rate(peer, _surface):
    with socket_of(peer, "realtime", "rate=16000") as talk:
        confirmed = talk.opened(audio={"output": {"format": {"type": "audio/pcm", "rate": 24000}}})
        talk.force(TEXT)
        slow = sum(len(base64.b64decode(d)) for d in deltas(talk.until("response.done"), "realtime"))
    assert confirmed["audio"]["output"]["format"]["rate"] == 16_000
    usual = deltas(speech(peer, "realtime", "old_codes"), "realtime")
    assert slow / sum(len(base64.b64decode(d)) for d in usual) == pytest.approx(2 / 3, rel=0.03)


def check_format(peer, _surface):
    with socket_of(peer, "realtime", "format=pcmu") as talk:
        assert talk.opened()["audio"]["output"]["format"] == {"type": "audio/pcmu"}


def check_hears(peer, _surface):
    with socket_of(peer, "realtime", "hears=how%20much%2C%20please") as talk:
        talk.opened()
        talk.ws.send_binary(bytes(4_800))
        talk.send({"type": "input_audio_buffer.commit"})
        heard = talk.until("conversation.item.input_audio_transcription.completed")[-1]
    assert heard["transcript"] == "how much, please"


def check_timeout_s(peer, _surface):
    with socket_of(peer, "realtime", "timeout_s=0.2") as talk:
        talk.until("ping")
        error, code = talk.receive(), talk.receive()
    assert (error["error"]["type"], code) == ("timeout", 1000)


def check_max_duration_s(peer, _surface):
    with socket_of(peer, "realtime", "max_duration_s=0.2") as talk:
        talk.until("ping")
        error, code = talk.receive(), talk.receive()
    assert (error["error"]["type"], code) == ("max_duration", 1000)


def check_close_code(peer, _surface):
    key = "xai-sandbox+timeout_s=0.1,close_code=1011"
    with peer.connect(key=key) as talk:
        assert talk.until("never")[-1] == 1011


def check_silence(peer, _surface):
    with socket_of(peer, "realtime", "silence") as talk:
        begin(talk, "realtime")
        assert talk.receive()["type"] == "response.created"
        silent_for(talk, 0.3)


def check_error_before_audio(peer, _surface):
    with socket_of(peer, "realtime", "error_before_audio=rate_limit_exceeded") as talk:
        begin(talk, "realtime")
        error = talk.receive()
        assert (error["type"], error["error"]["code"]) == ("error", "rate_limit_exceeded")
        silent_for(talk, 0.2)


def check_error_after_audio(peer, _surface):
    events = kinds(speech(peer, "realtime", "error_after_audio"))
    assert DELTA["realtime"] in events[: events.index("error")]
    assert DELTA["realtime"] in events[events.index("error") :]
    assert events[-1] == "response.done"


def check_no_response_done(peer, _surface):
    with socket_of(peer, "realtime", "no_response_done") as talk:
        begin(talk, "realtime")
        talk.until("response.output_item.done")
        silent_for(talk, 0.2)


def check_status(peer, _surface):
    done = speech(peer, "realtime", "status=failed")[-1]["response"]
    assert done["status"] == "failed"
    assert done["status_details"]["error"]
    assert speech(peer, "realtime", "status=incomplete")[-1]["response"]["status"] == "incomplete"


def check_function_call(peer, _surface):
    events = speech(peer, "realtime", "function_call")
    assert "response.function_call_arguments.done" in kinds(events)
    assert events[-1]["response"]["output"][0]["type"] == "function_call"
    assert not deltas(events, "realtime")


def check_alias_names(peer, _surface):
    names = set(kinds(speech(peer, "realtime", "alias_names")))
    assert {"response.audio.delta", "response.audio.done"} <= names
    assert {"response.audio_transcript.delta", "response.audio_transcript.done"} <= names
    assert not any(name.startswith("response.output_audio") for name in names)


def check_bare_indexes(peer, _surface):
    events = speech(peer, "realtime", "bare_indexes")
    bare = [e for e in events if "transcript" in e["type"] or e["type"].endswith("audio.done")]
    assert len(bare) > 3
    assert not any("output_index" in event for event in bare)


def check_usage(peer, _surface):
    top, empty, none = (speech(peer, "realtime", f"usage={where}")[-1] for where in ("top", "empty", "none"))
    assert top["usage"]["total_tokens"]
    assert "usage" not in top["response"]
    assert empty["response"]["usage"] == {}
    assert "usage" not in none["response"]


def check_duplicate_items(peer, _surface):
    assert kinds(speech(peer, "realtime", "duplicate_items")).count("conversation.item.added") == 2


def check_duplicate_events(peer, _surface):
    events = speech(peer, "realtime", "duplicate_events")
    assert len(events) - len({event["event_id"] for event in events}) == 1


def check_item_added_first(peer, _surface):
    names = kinds(speech(peer, "realtime", "item_added_first"))
    assert names[:2] == ["conversation.item.added", "response.created"]


def check_delta_first(peer, _surface):
    names = kinds(speech(peer, "realtime", "delta_first"))
    assert names[:2] == ["response.output_audio.delta", "response.created"]


def check_two_responses(peer, _surface):
    events = speech(peer, "realtime", "two_responses")
    ids = [e["response_id"] for e in events if e["type"] == DELTA["realtime"]]
    assert len(set(ids)) == 2
    assert ids.count(ids[0]) == ids.count(ids[1])


def check_late_deltas(peer, _surface):
    with socket_of(peer, "realtime", "late_deltas") as talk:
        begin(talk, "realtime")
        done = talk.until("response.done")[-1]
        assert talk.receive()["response_id"] == talk.receive()["response_id"]
        assert done["response"]["status"] == "completed"


def check_unknown_events(peer, _surface):
    assert "response.mood.changed" in kinds(speech(peer, "realtime", "unknown_events"))


def check_transcript_drift(peer, _surface):
    events = speech(peer, "realtime", "transcript_drift")
    done = next(e for e in events if e["type"] == "response.output_audio_transcript.done")
    assert done["transcript"] != TEXT


def check_content_text(peer, _surface):
    with socket_of(peer, "realtime", "content_text") as talk:
        talk.opened()
        item = {"type": "force_message", "role": "assistant"}
        item["content"] = [{"type": "text", "text": TEXT}]
        talk.send({"type": "conversation.item.create", "item": item})
        assert talk.receive()["type"] == "response.created"


# TTS and calls


def check_timestamps(peer, surface):
    if surface == "tts":
        body = {**REQUESTS["tts"][2], "with_timestamps": True}
        key = "xai-sandbox+tts.timestamps=objects"
        answer = peer.call("POST", "/tts", key=key, json=body).json()
        times = answer["audio_timestamps"]["graph_times"]
    else:
        path = SOCKETS["tts_ws"] + "&with_timestamps=true"
        with peer.connect(path, key="xai-sandbox+timestamps=objects") as talk:
            begin(talk, "tts_ws")
            times = talk.receive()["audio_timestamps"]["graph_times"]
    assert set(times[0]) == {"start", "end"}


def check_lifetime_s(peer, _surface):
    with socket_of(peer, "tts_ws", "lifetime_s=0.2") as talk:
        assert talk.receive() == 1000


def check_error(peer, _surface):
    events = speech(peer, "tts_ws", "error=quota%20gone")
    assert events[0] == {"type": "error", "message": "quota gone"}
    assert events[-1] == 1011


def check_no_location(peer, _surface):
    head, _, _ = raw(peer, "calls", "calls.no_location")
    assert head.startswith("HTTP/1.1 201")
    assert "Location" not in head


ROWS = [(surface, fault.name) for fault in TABLE for surface in fault.surfaces]


@pytest.mark.parametrize(("surface", "name"), ROWS, ids=[f"{s}.{n}" for s, n in ROWS])
def test_the_fault_does_what_the_table_says(peer, surface, name):
    # A fault that nobody checks fails here, by its name.
    check = globals()["check_chat_cut" if name == "cut" else f"check_{name}"]
    check(peer, surface)


def test_every_surface_answers_normally_when_nothing_is_asked(peer):
    for surface in SURFACES:
        key = "sk-sandbox" if surface == "calls" else "xai-sandbox"
        answer, _ = peer.raw(request_bytes(surface, key))
        assert answer.split(b" ", 2)[1] in (b"200", b"201", b"101"), surface
