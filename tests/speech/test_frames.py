"""RFC 6455 as a client reads it, byte by byte and in every other cut."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.speech.frames import (
    MAX_FRAGMENTS,
    MAX_MESSAGE_BYTES,
    FrameError,
    FrameReader,
    FrameTooLarge,
    Message,
    Opcode,
    close_code,
)
from tts_service.speech.frames import frame as written


def frame(
    payload: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0, length: int | None = None
) -> bytes:
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65_536:
        return head + b"\x7e" + struct.pack("!H", size) + payload
    return head + b"\x7f" + struct.pack("!Q", size) + payload


def read(parts: Iterable[bytes]) -> list[Message]:
    reader = FrameReader()
    return [message for part in parts for message in reader.feed(part)]


def text(payload: bytes) -> Message:
    return Message(Opcode.TEXT, payload)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, MAX_MESSAGE_BYTES])
def test_a_frame_of_every_length_form_comes_out_whole(size: int) -> None:
    assert read([frame(b"x" * size)]) == [text(b"x" * size)]


def test_fragments_are_joined_and_control_frames_between_them_come_first() -> None:
    stream = frame(b"one ", fin=False) + frame(b"beat", 9) + frame(b"two ", 0, fin=False) + frame(b"three", 0)
    assert read([stream]) == [Message(Opcode.PING, b"beat"), text(b"one two three")]


def test_a_fragmented_binary_message_stays_binary() -> None:
    assert read([frame(b"a", 2, fin=False) + frame(b"b", 0)]) == [Message(Opcode.BINARY, b"ab")]


def test_an_empty_last_fragment_ends_the_message() -> None:
    assert read([frame(b"a", fin=False) + frame(b"", 0) + frame(b"b")]) == [text(b"a"), text(b"b")]


@pytest.mark.parametrize(
    ("payload", "code"),
    [(b"", 1005), (b"\x03", 1005), (b"\x03\xe8", 1000), (b"\x03\xf3went away", 1011), (b"\x0f\xa0", 4000)],
)
def test_a_close_frame_keeps_its_code(payload: bytes, code: int) -> None:
    [message] = read([frame(payload, 8)])
    assert (message.opcode, close_code(message.payload)) == (Opcode.CLOSE, code)


BROKEN = {
    "rsv1": frame(b"x", rsv=4),
    "rsv2": frame(b"x", rsv=2),
    "rsv3": frame(b"x", rsv=1),
    "masked": b"\x81\x84mask\x89\x02ab",  # two valid frames to whoever overlooks the bit
    **{f"opcode-{number}": frame(b"x", number) for number in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "continuation-without-start": frame(b"x", 0),
    "start-within-start": frame(b"x", fin=False) + frame(b"y"),
    "fragmented-ping": frame(b"x", 9, fin=False),
    "ping-of-126": frame(b"x" * 126, 9),
    "close-of-126": frame(b"x" * 126, 8),
}
TOO_LARGE = {
    "8 MiB and a byte": frame(b"", length=MAX_MESSAGE_BYTES + 1),
    "100 MB": frame(b"", length=100_000_000),
    "2^63": frame(b"", length=2**63),
    "too many fragments": frame(b"x", fin=False) + frame(b"x", 0, fin=False) * MAX_FRAGMENTS,
    "fragments too large together": frame(b"x" * MAX_MESSAGE_BYTES, fin=False) + frame(b"", 0, length=126),
}


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "byte by byte"])
def test_a_broken_rule_is_an_error(stream: bytes, bytewise: bool) -> None:
    with pytest.raises(FrameError) as raised:
        read(bytes([byte]) for byte in stream) if bytewise else read([stream])
    assert not isinstance(raised.value, FrameTooLarge)


@pytest.mark.parametrize("stream", TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_refused_by_its_header(stream: bytes) -> None:
    with pytest.raises(FrameTooLarge):
        read([stream])


def test_small_fragments_add_up_to_the_limit_of_a_message() -> None:
    reader = FrameReader()
    reader.feed(frame(b"x" * (MAX_MESSAGE_BYTES - 100), fin=False))
    reader.feed(frame(b"x" * 100, 0, fin=False))
    with pytest.raises(FrameTooLarge):
        reader.feed(frame(b"x", 0))


control = st.tuples(st.sampled_from([8, 9, 10]), st.binary(max_size=125))
data = st.tuples(st.sampled_from([1, 2]), st.lists(st.binary(max_size=300), min_size=1, max_size=4))


@given(
    st.lists(st.one_of(control, data), max_size=8),
    st.lists(st.integers(min_value=1, max_value=400), max_size=60),
)
def test_any_cut_of_a_stream_gives_the_same_messages(
    sent: list[tuple[int, bytes | list[bytes]]], cuts: list[int]
) -> None:
    stream, expected = b"", []
    for opcode, payload in sent:
        parts = [payload] if isinstance(payload, bytes) else payload
        for at, part in enumerate(parts):
            stream += frame(part, opcode if at == 0 else 0, fin=at == len(parts) - 1)
        expected.append(Message(Opcode(opcode), b"".join(parts)))
    pieces, rest = [], stream
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    assert read([stream]) == expected
    assert read([*pieces, rest]) == expected
    assert read(bytes([byte]) for byte in stream) == expected


@given(st.binary(max_size=400))
def test_noise_ends_in_messages_or_a_frame_error_and_the_cut_does_not_matter(noise: bytes) -> None:
    def outcome(parts: Iterable[bytes]) -> type[FrameError] | list[Message]:
        try:
            return read(parts)
        except FrameError as error:
            return type(error)

    assert outcome([noise]) == outcome(bytes([byte]) for byte in noise)


def unmasked(message: bytes) -> tuple[int, int, bytes]:
    """(first byte, bytes before the mask, payload) of a client's frame, as RFC 6455 5.2 has it."""
    first, second = message[:2]
    assert second & 0x80, "a client must mask"
    size, at = second & 0x7F, 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, at = int.from_bytes(message[2 : 2 + width], "big"), 2 + width
    mask, data = message[at : at + 4], message[at + 4 :]
    assert len(data) == size
    return first, at, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


@pytest.mark.parametrize(
    ("size", "head"), [(0, 2), (1, 2), (3, 2), (4, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)]
)
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.CLOSE, Opcode.PONG])
def test_what_is_written_is_one_masked_frame_in_the_shortest_form(
    opcode: Opcode, size: int, head: int
) -> None:
    payload = (bytes(range(256)) * 257)[:size]
    assert unmasked(written(opcode, payload)) == (0x80 | opcode, head, payload)


def test_each_frame_has_a_mask_of_its_own() -> None:
    assert len({written(Opcode.TEXT, b"hello") for _ in range(20)}) > 1
