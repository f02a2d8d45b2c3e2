"""One turn over real sockets: its events, its memory, its timings, many at once."""

from __future__ import annotations

import datetime
import threading

import pytest

from tests.chat.conftest import Compose, Serve
from tests.chat.scripted import CHUNKED, Exchange, answer, chunked, delta, says, streamed
from tests.chat.turns import SAID, SECOND, Talk, a_client, calls, code, provider, silent_voice, turn
from tts_service.chat.events import Reply, SpokenPiece, TextDelta
from tts_service.chat.turn import Question
from tts_service.errors import (
    UpstreamBadResponse,
)
from tts_service.secret import Secret

# Events.


def test_a_turn_is_text_as_it_comes_then_the_voice_then_the_reply(compose: Compose, fresh: str) -> None:
    client = a_client()

    events = list(compose(fresh).compose(Question(client, f"Say: {SAID}")))

    kinds = [type(event) for event in events]
    assert kinds == sorted(kinds, key=[TextDelta, SpokenPiece, Reply].index)
    texts = [event.delta for event in events if isinstance(event, TextDelta)]
    pieces = [event for event in events if isinstance(event, SpokenPiece)]
    reply = events[-1]
    assert isinstance(reply, Reply)
    assert len(texts) > 1
    assert "".join(texts) == reply.text == SAID
    assert [piece.seq for piece in pieces] == list(range(len(pieces)))
    assert reply.audio_error is None
    assert reply.spoken is not None
    assert reply.spoken.pcm.data == b"".join(piece.pcm.data for piece in pieces)
    assert (reply.spoken.pcm.rate_hz, reply.spoken.voice, reply.spoken.truncated) == (24_000, "ara", False)
    assert reply.spoken.pcm.duration_s > 0.5


def test_the_voice_is_asked_for_the_words_of_the_text_once_and_never_to_answer(
    compose: Compose, fresh: str
) -> None:
    turn(compose(fresh), a_client(voice="leo"))

    [call] = calls(fresh, "realtime")
    assert call["texts"] == [SAID]
    assert call["items_created"] == 1
    assert call["voice"] == "leo"
    assert set(call["events"]) == {"session.update", "conversation.item.create"}


@pytest.mark.parametrize("fields", [{"speech_provider": "off"}, {"ai_provider": "openai"}], ids=str)
def test_a_text_only_client_has_neither_voice_nor_error_and_opens_no_voice(
    compose: Compose, fresh: str, fields: dict[str, str]
) -> None:
    composer = compose(fresh, openai_base_url=fresh, openai_api_key=Secret("sk-sandbox"))

    reply = turn(composer, a_client(**fields))

    assert (reply.text, reply.spoken, reply.audio_error) == (SAID, None, None)
    assert (reply.timings_ms["speech"], reply.timings_ms["speech_first_audio"]) == (0, 0)
    assert calls(fresh, "realtime") == []


def test_an_openai_client_may_be_spoken_with_the_services_own_voice_key_alone(
    compose: Compose, fresh: str
) -> None:
    composer = compose(fresh, openai_base_url=fresh, openai_api_key=Secret("sk-sandbox"))

    reply = turn(composer, a_client(ai_provider="openai", speech_provider="xai"))

    assert reply.text == SAID
    assert reply.spoken is not None


# The voice opens while the model thinks.


def test_the_voice_is_ready_before_the_model_has_said_a_word(compose: Compose, serve: Serve) -> None:
    ready, waited = threading.Event(), []

    def chat(exchange: Exchange) -> None:
        waited.append(ready.wait(5))
        exchange.send(streamed(SAID))

    def voice(talk: Talk) -> None:
        talk.opens()
        ready.set()
        talk.until("conversation.item.create")
        talk.speaks(SECOND)

    peer = serve(provider(chat, voice, []))

    assert turn(compose(peer.url), a_client(), "Hi").spoken is not None
    assert waited == [True]


def test_by_the_providers_own_record_the_voice_opens_during_the_thinking(
    compose: Compose, fresh: str
) -> None:
    reply = turn(compose(fresh), a_client("xai-sandbox+chat.pace=2"))

    [chat], [voice] = calls(fresh, "chat"), calls(fresh, "realtime")
    began, opened = (datetime.datetime.fromisoformat(call["started_at"]) for call in (chat, voice))
    assert reply.spoken is not None
    assert opened < began + datetime.timedelta(seconds=0.5)  # the first token comes after half a second
    assert chat["duration_ms"] > 500


# Memory.


def test_a_conversation_is_remembered_by_its_id(compose: Compose, sandbox: str) -> None:
    composer, client = compose(sandbox), a_client(speech_provider="off", system_prompt="Be kind.")

    first = turn(composer, client, "My name is Ada.")
    second = turn(composer, client, "What is my name?", conversation_id=first.conversation_id)

    assert "Ada" in second.text
    assert second.conversation_id == first.conversation_id


def test_a_turn_tells_the_model_the_prompt_the_past_and_the_question_in_order(
    compose: Compose, serve: Serve
) -> None:
    peer = serve(says(streamed("Hello.")))
    composer, client = compose(peer.url), a_client(speech_provider="off", system_prompt="Be kind.")

    turn(composer, client, "One", conversation_id="c1")
    turn(composer, client, "Two", conversation_id="c1")

    assert peer.requests[1].json["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Two"},
    ]


def test_a_conversation_of_one_client_is_never_told_to_another(compose: Compose, sandbox: str) -> None:
    composer = compose(sandbox)
    first = turn(composer, a_client(speech_provider="off"), "My name is Ada.")

    other = turn(
        composer,
        a_client(speech_provider="off"),
        "What is my name?",
        conversation_id=first.conversation_id,
    )

    assert "Ada" not in other.text


def test_conversations_without_an_id_get_ids_of_their_own(compose: Compose, sandbox: str) -> None:
    composer, client = compose(sandbox), a_client(speech_provider="off")

    ids = {turn(composer, client, "Hi").conversation_id for _ in range(5)}

    assert len(ids) == 5


def test_a_turn_that_failed_is_not_remembered(compose: Compose, serve: Serve) -> None:
    def chat(exchange: Exchange) -> bool:
        broken = "break" in exchange.request.json["messages"][-1]["content"]
        exchange.send(answer(200, delta("Half a ")) if broken else streamed("Hello."))
        return True

    peer = serve(chat)
    composer, client = compose(peer.url), a_client(speech_provider="off")

    with pytest.raises(UpstreamBadResponse):
        turn(composer, client, "break", conversation_id="c1")
    turn(composer, client, "Hi", conversation_id="c1")

    assert peer.requests[-1].json["messages"] == [{"role": "user", "content": "Hi"}]


def test_a_turn_whose_voice_failed_is_remembered(compose: Compose, sandbox: str) -> None:
    composer, client = compose(sandbox), a_client("xai-sandbox+realtime.http=429")

    first = turn(composer, client, "My name is Ada.")
    second = turn(composer, client, "What is my name?", conversation_id=first.conversation_id)

    assert code(first) == "speech_rate_limited"
    assert "Ada" in second.text


# Many at once.


def test_turns_at_once_do_not_mix_their_words_or_their_voices(compose: Compose, sandbox: str) -> None:
    composer = compose(sandbox)
    words = [f"Number {n}. " + "Some more words to say. " * n for n in range(8)]
    alone = [turn(composer, a_client(), f"Say: {text}") for text in words]
    together: dict[int, Reply] = {}

    def speak(n: int) -> None:
        together[n] = turn(composer, a_client(), f"Say: {words[n]}")

    threads = [threading.Thread(target=speak, args=(n,)) for n in range(len(words))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for n, reply in enumerate(alone):
        assert together[n].text == words[n]
        # Not sample for sample: where a reply is cut into pieces depends on when its words came.
        assert duration_s(together[n]) == pytest.approx(duration_s(reply), rel=0.15)
    assert sorted(map(duration_s, alone)) == list(map(duration_s, alone))  # the longer text speaks longer


def duration_s(reply: Reply) -> float:
    assert reply.spoken is not None
    return reply.spoken.pcm.duration_s


# Timings.


def test_the_timings_say_where_the_time_went(compose: Compose, serve: Serve) -> None:
    def chat(exchange: Exchange) -> None:
        exchange.pause(0.2)
        exchange.send(CHUNKED + chunked(delta("Hello ")))
        exchange.pause(0.2)
        exchange.send(streamed("there.").removeprefix(CHUNKED))

    def voice(talk: Talk) -> None:
        silent_voice(talk)
        talk.exchange.pause(0.2)
        talk.speaks(SECOND, finish=False)
        talk.exchange.pause(0.2)
        talk.send("response.output_audio.done", response_id="r1")
        talk.send("response.done", response={"id": "r1", "status": "completed"})

    peer = serve(provider(chat, voice, []))
    timings = turn(compose(peer.url), a_client(), "Hi").timings_ms

    assert list(timings) == ["llm_first_token", "llm", "speech_first_audio", "speech", "total"]
    assert all(type(value) is int for value in timings.values())
    assert 200 <= timings["llm_first_token"] < timings["llm"] - 50
    assert 400 <= timings["llm"] < 5_000
    assert 200 <= timings["speech_first_audio"] < timings["speech"] - 50
    assert 400 <= timings["speech"] < 5_000
    assert timings["llm"] + timings["speech"] <= timings["total"] + 2 < 10_000
