import unicodedata

import pytest

from tts_service.errors import (
    EmptyMessage,
    InvalidCharacters,
    InvalidClientId,
    InvalidRequest,
    MessageTooLong,
    ServiceError,
    UnknownField,
)
from tts_service.web import chat_request

CLIENT = "6f1c0f4e-2f5b-4e0e-9f6b-0d6f3f1f2a3b"


def refused(**changes: object) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        chat_request.read({"client_id": CLIENT, "message": "Hello"} | changes)
    return caught.value


@pytest.mark.parametrize("document", [None, [], "x", 1, True, 1.5])
def test_a_body_that_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(InvalidRequest):
        chat_request.read(document)


def test_the_four_fields_come_out_as_they_went_in() -> None:
    document = {"client_id": CLIENT, "message": " Hi ", "conversation_id": "a.b:c-1", "audio_format": "wav"}
    assert chat_request.read(document) == chat_request.ChatRequest(CLIENT, " Hi ", "a.b:c-1", "wav")


@pytest.mark.parametrize(
    "name", ["model", "api_base", "system", "max_tokens", "__proto__", "constructor", ""]
)
def test_a_field_we_do_not_know_is_refused_and_never_forwarded(name: str) -> None:
    assert isinstance(refused(**{name: "x"}), UnknownField)


@pytest.mark.parametrize("value", [None, 5, {}, [], "", True])
def test_a_client_id_that_is_no_text_is_an_invalid_request(value: object) -> None:
    assert type(refused(client_id=value)) is InvalidRequest


SPELLINGS = [
    "{" + CLIENT + "}",
    "urn:uuid:" + CLIENT,
    CLIENT.replace("-", ""),
    CLIENT.replace("6", "\N{ARABIC-INDIC DIGIT SIX}"),
    CLIENT[:7] + "_" + CLIENT[8:],
    "+" + CLIENT[1:],
    " " + CLIENT,
    CLIENT + "\n",
    "0x" + CLIENT[2:],
    CLIENT.upper(),
    "00000000-0000-0000-0000-000000000000",
    "x" * 60_000,
    "\ud800",
    "' OR 1=1--",
]


@pytest.mark.parametrize("value", SPELLINGS, ids=range(len(SPELLINGS)))
def test_every_other_spelling_of_a_uuid_is_refused(value: str) -> None:
    assert isinstance(refused(client_id=value), InvalidClientId)


@pytest.mark.parametrize("value", [None, [], 1, True, {}])
def test_a_message_that_is_no_text_is_refused(value: object) -> None:
    error = refused(message=value)
    assert type(error) is InvalidRequest
    assert error.param == "message"


INVISIBLE = [
    "",
    " \t\n",
    "\u200b",
    "\u3164",
    "\u115f\u1160",
    "\uffa0",
    "\u2800",
    "\ufeff",
    "\u202e\u2066",
    "\u00a0",
]


@pytest.mark.parametrize("message", INVISIBLE, ids=ascii)
def test_a_message_nobody_could_see_is_empty(message: str) -> None:
    assert isinstance(refused(message=message), EmptyMessage)


@pytest.mark.parametrize("message", ["a\0b", "a\ud800", "\udfff", "\0"], ids=ascii)
def test_what_a_database_or_an_encoder_would_choke_on_is_refused(message: str) -> None:
    assert isinstance(refused(message=message), InvalidCharacters)


@pytest.mark.parametrize("length", [4_001, 60_000])
def test_a_message_over_4000_code_points_is_too_long(length: int) -> None:
    assert isinstance(refused(message="a" * length), MessageTooLong)


FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}\u200d"
ACCEPTED = {
    "4,000 code points": "a" * 4_000,
    "emoji": (FAMILY * 700)[:4_000],
    "mixed scripts": "שלום 🎉 你好 สวัสดี",
    "bidi": "a\u202eb\u2066c",
    "combining": "a" + "\u0301" * 1_000,
    "NFC": unicodedata.normalize("NFC", "café"),
    "NFD": unicodedata.normalize("NFD", "café"),
    "BOM inside": "a\ufeffb",
    "tag characters": "a\U000e0041",
    "noncharacters": "\ufffe\uffff",
    "log forgery": "\r\n[X.AI TTS] event=ok",
    "one dot": ".",
}


@pytest.mark.parametrize("message", ACCEPTED.values(), ids=ACCEPTED)
def test_messages_people_send_pass_unchanged(message: str) -> None:
    assert chat_request.read({"client_id": CLIENT, "message": message}).message == message


@pytest.mark.parametrize("value", ["", "a" * 65, "a b", "ä", "a\n", 5, []])
def test_a_conversation_id_must_be_plain(value: object) -> None:
    error = refused(conversation_id=value)
    assert type(error) is InvalidRequest
    assert error.param == "conversation_id"


@pytest.mark.parametrize("value", ["ogg", "MP3", "", None, 1])
def test_only_wav_and_mp3_are_to_be_had(value: object) -> None:
    error = refused(audio_format=value)
    assert type(error) is InvalidRequest
    assert error.param == "audio_format"
