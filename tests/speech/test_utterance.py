"""The spoken reply as a state machine: dialogues replayed, and every order of events that may come."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.errors import SpeechError
from tts_service.speech.audio import Pcm
from tts_service.speech.realtime import RealtimeUtterance
from tts_service.speech.utterance import ASKED_RATE_HZ, MAX_DELTA_CHARS, Patience, State, Utterance
from tts_service.speech.voice import Voice

DIALOGUES = sorted((Path(__file__).parents[2] / "samples" / "dialogues").glob("*.jsonl"))
SOUND = bytes(range(256)) * 4


def utterance(max_speech_s: float = 120.0) -> Utterance:
    return RealtimeUtterance(Voice("ara"), max_speech_s, Patience())


def hear(spoken: Utterance, kind: str, **members: Any) -> None:
    spoken.hear(json.dumps({"type": kind} | members).encode())


def delta(sound: bytes, response: str | None = "r1", **members: Any) -> dict[str, Any]:
    event = {"type": "response.output_audio.delta", "delta": base64.b64encode(sound).decode()}
    return event | ({"response_id": response} if response else {}) | members


def waiting(max_speech_s: float = 120.0, **form: Any) -> Utterance:
    """After force_message."""
    spoken = utterance(max_speech_s)
    hear(spoken, "session.updated", session={"audio": {"output": {"format": form}}})
    spoken.say("Hello.")
    return spoken


def speaking(sound: bytes = SOUND) -> Utterance:
    spoken = waiting()
    hear(spoken, "response.created", response={"id": "r1"})
    hear(spoken, **kinded(delta(sound)))
    return spoken


def kinded(event: dict[str, Any]) -> dict[str, Any]:
    return {"kind": event["type"]} | {name: value for name, value in event.items() if name != "type"}


# Dialogues.


def replay(lines: list[dict[str, Any]], voice: str) -> Iterator[Pcm]:
    """The sound of each text; what the utterance says must be what the dialogue's client says."""
    spoken = RealtimeUtterance(Voice(voice), 120.0, Patience())
    for line in lines:
        if "client" in line:
            said = line["client"]
            texts = [part["text"] for part in said.get("item", {}).get("content", [])]
            (message,) = spoken.say(*texts) if texts else spoken.opening()
            assert json.loads(message) == said
        elif "server" in line:
            spoken.hear(json.dumps(line["server"]).encode())
        elif "lapse" in line:
            assert spoken.lapsed()
        else:
            spoken.closed(line["close"])
        if spoken.state is State.SPOKEN:
            yield spoken.take()


@pytest.mark.parametrize("file", DIALOGUES, ids=lambda file: file.stem)
def test_a_dialogue_gives_the_sound_or_the_code_it_documents(file: Path) -> None:
    head, *lines = [json.loads(line) for line in file.read_text().splitlines()]
    pieces: list[Pcm] = []
    code = None
    try:
        pieces.extend(replay(lines, head["voice"]))
    except SpeechError as error:
        code = error.code
    expected = [Pcm(base64.b64decode(piece["pcm"]), piece["rate_hz"]) for piece in head["expect"]["pieces"]]
    assert (pieces, code) == (expected, head["expect"]["error"])


def test_the_dialogues_are_there_and_name_their_sources() -> None:
    assert len(DIALOGUES) >= 10
    for file in DIALOGUES:
        head = json.loads(file.read_text().splitlines()[0])
        assert head["source"], file
        assert head["read"], file


# faults 3c-26: any interleaving of extra events gives the same sound.

AUDIO_NAMES = ["response.output_audio", "response.audio"]
NOISE: list[dict[str, Any]] = [
    {"type": "ping", "timestamp": 5},
    {"type": "session.created", "session": {"id": "s"}},
    {"type": "conversation.created", "conversation": {"id": "c"}},
    {"type": "response.hologram.delta", "response_id": "r1", "delta": "AAAA"},
    {"type": "response.output_audio_transcript.delta", "response_id": "r1", "delta": "Hi"},
    {"type": "conversation.item.added", "item": {"id": "i"}},
    {"type": "session.updated", "session": {"audio": {"output": {"format": {"rate": 16_000}}}}},
    delta(b"\x7f" * 40, "r0"),
    delta(b"\x7e" * 30, "r0", event_id="f1"),
]
# Only once ours is announced can another response's end be told from the end of ours.
FOREIGN_ENDS: list[dict[str, Any]] = [
    {"type": "response.created", "response": {"id": "r0"}},
    {"type": "response.output_audio.done", "response_id": "r0"},
    {"type": "response.done", "response": {"id": "r0", "status": "cancelled"}},
    {"type": "response.cancelled", "response_id": "r0"},
]


@given(st.data())
def test_any_interleaving_of_extra_events_gives_the_same_sound(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(SOUND)), max_size=5)))
    parts = [SOUND[a:b] for a, b in zip([0, *cuts], [*cuts, len(SOUND)], strict=True)]
    ours: list[dict[str, Any]] = [
        delta(part, event_id=f"e{number}") | {"type": f"{data.draw(st.sampled_from(AUDIO_NAMES))}.delta"}
        for number, part in enumerate(parts)
    ]
    announced = data.draw(st.integers(0, len(ours)))
    ours.insert(announced, {"type": "response.created", "response": {"id": "r1"}})
    ours.append({"type": f"{data.draw(st.sampled_from(AUDIO_NAMES))}.done", "response_id": "r1"})
    heard_deltas: list[dict[str, Any]] = []
    spoken = waiting()
    for number, event in enumerate(ours):
        extras = NOISE + heard_deltas + (FOREIGN_ENDS if number > announced else [])
        for extra in data.draw(st.lists(st.sampled_from(extras), max_size=4)):
            hear(spoken, **kinded(extra))
        hear(spoken, **kinded(event))
        if event["type"].endswith(".delta"):
            heard_deltas.append(event)
    late = [delta(b"\x7d" * 20, event_id="late"), delta(b"\x7c" * 20, None), *NOISE, *FOREIGN_ENDS]
    for extra in data.draw(st.lists(st.sampled_from(late), max_size=4)):
        hear(spoken, **kinded(extra))
    hear(spoken, "response.done", response={"id": "r1", "status": "completed"})
    assert spoken.take() == Pcm(SOUND, ASKED_RATE_HZ)


def test_a_server_that_names_no_response_is_understood_too() -> None:
    spoken = waiting()
    hear(spoken, "response.created")
    hear(spoken, **kinded(delta(SOUND, None)))
    hear(spoken, "response.done", response={"status": "completed"})
    assert spoken.take().data == SOUND


def test_events_of_a_piece_already_spoken_do_not_end_the_next() -> None:
    spoken = speaking()
    hear(spoken, "response.output_audio.done", response_id="r1")
    assert spoken.lapsed()
    spoken.take()
    spoken.say("Next.")
    hear(spoken, **kinded(delta(SOUND, "r1")))
    hear(spoken, "response.done", response={"id": "r1", "status": "failed"})
    assert spoken.state is State.WAITING


# Waits.


def test_each_state_has_its_own_patience() -> None:
    spoken = RealtimeUtterance(Voice("ara"), 120.0, Patience(first_audio_s=3, idle_s=2, settle_s=1))
    waits = [spoken.patience_s]
    hear(spoken, "session.updated", session={})
    spoken.say("Hello.")
    waits.append(spoken.patience_s)
    hear(spoken, **kinded(delta(SOUND)))
    waits.append(spoken.patience_s)
    hear(spoken, "response.output_audio.done", response_id="r1")
    waits.append(spoken.patience_s)
    assert waits == [3, 3, 2, 1]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "ping", "timestamp": 1},
        {"type": "response.created", "response": {"id": "r1"}},
        {"type": "response.hologram"},
        delta(b""),
        delta(b"\x01\x00", "r0"),
    ],
    ids=lambda event: event["type"],
)
def test_only_sound_of_ours_counts_as_progress(event: dict[str, Any]) -> None:
    spoken = speaking()
    before = spoken.progress
    hear(spoken, **kinded(event))
    assert spoken.progress == before


def test_sound_counts_as_progress() -> None:
    spoken = speaking()
    before = spoken.progress
    hear(spoken, **kinded(delta(b"\x01\x00")))
    assert spoken.progress > before


# Limits.


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(SpeechError) as raised:
        act()
    return raised.value.code


def test_speech_above_the_limit_is_too_long_and_at_the_limit_is_not() -> None:
    spoken = waiting(max_speech_s=1.0)
    hear(spoken, **kinded(delta(b"\0" * 48_000)))
    assert code_of(lambda: hear(spoken, **kinded(delta(b"\0\0")))) == "speech_too_long"


def test_the_limit_holds_for_all_pieces_together() -> None:
    spoken = waiting(max_speech_s=1.0)
    hear(spoken, **kinded(delta(b"\0" * 40_000)))
    hear(spoken, "response.done", response={"id": "r1"})
    spoken.take()
    spoken.say("More.")
    assert code_of(lambda: hear(spoken, **kinded(delta(b"\0" * 10_000, "r2")))) == "speech_too_long"


def test_sound_of_responses_not_yet_announced_counts_towards_the_limit() -> None:
    spoken = waiting(max_speech_s=1.0)

    def flood() -> None:
        for number in range(100):
            hear(spoken, **kinded(delta(b"\0" * 4_800, f"x{number}")))

    assert code_of(flood) == "speech_too_long"


@pytest.mark.parametrize(("chars", "fits"), [(MAX_DELTA_CHARS, True), (MAX_DELTA_CHARS + 4, False)])
def test_one_delta_has_a_limit(chars: int, fits: bool) -> None:
    spoken = waiting()

    def event() -> None:
        hear(spoken, "response.audio.delta", response_id="r1", delta="A" * chars)

    if fits:
        event()
        assert spoken.state is State.SPEAKING
    else:
        assert code_of(event) == "speech_bad_audio"


@pytest.mark.parametrize("written", [int, float])
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_the_sound_carries_the_rate_that_was_confirmed(rate_hz: int, written: type) -> None:
    spoken = waiting(type="audio/pcm", rate=written(rate_hz))
    hear(spoken, **kinded(delta(SOUND)))
    hear(spoken, "response.done", response={"id": "r1"})
    assert spoken.take() == Pcm(SOUND, rate_hz)


@pytest.mark.parametrize(
    "form",
    [
        {"type": "audio/pcmu"},
        {"type": "audio/pcma"},
        {"type": "audio/opus"},
        {"channels": 2},
        {"rate": 21_050},
        {"rate": -1},
        {"rate": 0},
        {"rate": "16000"},
        {"rate": 16_000.5},
        {"rate": True},
    ],
    ids=str,
)
def test_a_format_that_would_play_wrongly_is_refused(form: dict[str, Any]) -> None:
    assert code_of(lambda: waiting(**form)) == "speech_bad_format"


def test_say_and_take_out_of_turn_are_bugs_and_not_speech_errors() -> None:
    with pytest.raises(RuntimeError):
        utterance().say("Too early.")
    with pytest.raises(RuntimeError):
        speaking().take()


# Whatever comes, only a SpeechError comes out.

ANY_EVENT: list[dict[str, Any]] = [
    *NOISE,
    *FOREIGN_ENDS,
    {"type": "response.created", "response": {"id": "r1"}},
    {"type": "response.created"},
    delta(SOUND),
    delta(SOUND[:3]),
    delta(SOUND, None),
    {"type": "response.output_audio.done", "response_id": "r1"},
    {"type": "response.output_audio.done"},
    {"type": "response.done", "response": {"id": "r1", "status": "completed"}},
    {"type": "response.done"},
    {"type": "response.done", "response": {"id": "r1", "status": "incomplete"}},
    {"type": "error", "error": {"type": "internal_error"}},
    {"type": "session.updated"},
]


@given(
    st.lists(
        st.sampled_from([json.dumps(e).encode() for e in ANY_EVENT] + [b"{", b"[]", b"\xff"]), max_size=25
    ),
    st.sampled_from([1000, 1006, 1011, 4000]),
)
def test_no_order_of_events_raises_anything_but_a_speech_error(events: list[bytes], close: int) -> None:
    spoken = utterance()
    try:
        for event in events:
            spoken.hear(event)
            if spoken.state is State.READY:
                spoken.say("Hello.")
            elif spoken.state is State.SPOKEN:
                pcm = spoken.take()
                assert pcm.data
                assert len(pcm.data) % 2 == 0
        spoken.closed(close)
    except SpeechError:
        pass
