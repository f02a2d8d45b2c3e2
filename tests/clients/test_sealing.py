from __future__ import annotations

import base64
import traceback

import pytest

from tts_service.clients.sealing import SealBroken, Sealer
from tts_service.secret import Secret

OLD, NEW = Secret("the old secret key"), Secret("the new secret key")
KEY = Secret("xai-canary-0123456789")
A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def test_a_sealed_key_opens_to_what_it_was() -> None:
    token = Sealer((OLD,)).seal(A, "ai_api_key", KEY)
    assert Sealer((OLD,)).open(A, "ai_api_key", token) == KEY


def test_a_token_shows_nothing_of_the_key_and_is_new_every_time() -> None:
    sealer = Sealer((OLD,))
    first, second = sealer.seal(A, "ai_api_key", KEY), sealer.seal(A, "ai_api_key", KEY)
    assert first != second
    assert "canary" not in first
    assert b"canary" not in base64.urlsafe_b64decode(first.split(".")[2])


@pytest.mark.parametrize(("client_id", "field"), [(B, "ai_api_key"), (A, "other_key"), (A, "")])
def test_a_token_copied_to_another_client_or_field_does_not_open(client_id: str, field: str) -> None:
    sealer = Sealer((OLD,))
    with pytest.raises(SealBroken, match="copied"):
        sealer.open(client_id, field, sealer.seal(A, "ai_api_key", KEY))


def test_during_a_rotation_old_tokens_open_and_new_ones_are_sealed_with_the_first_key() -> None:
    old_token = Sealer((OLD,)).seal(A, "ai_api_key", KEY)
    rotating = Sealer((NEW, OLD))
    assert rotating.open(A, "ai_api_key", old_token) == KEY
    assert rotating.needs_reseal(old_token)
    new_token = rotating.seal(A, "ai_api_key", KEY)
    assert not rotating.needs_reseal(new_token)
    assert Sealer((NEW,)).open(A, "ai_api_key", new_token) == KEY


def test_a_changed_secret_key_is_named_as_the_cause() -> None:
    token = Sealer((OLD,)).seal(A, "ai_api_key", KEY)
    with pytest.raises(SealBroken, match="SECRET_KEY was changed without rotation"):
        Sealer((NEW,)).open(A, "ai_api_key", token)


def test_every_altered_or_cut_token_is_refused_without_showing_anything() -> None:
    sealer = Sealer((OLD,))
    token = sealer.seal(A, "ai_api_key", KEY)
    altered = [token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :] for i in range(len(token))]
    # 49 bytes end in `==`, and the character before it carries four bits that decode to nothing.
    for bad in [*altered[:-3], *(token[:i] for i in range(len(token))), "", "v1", "v1..", "é", "v1.é.é"]:
        with pytest.raises(SealBroken) as raised:
            sealer.open(A, "ai_api_key", bad)
        assert "canary" not in "".join(traceback.format_exception(raised.value))


def test_there_is_no_sealing_without_a_key() -> None:
    with pytest.raises(ValueError, match="SECRET_KEY"):
        Sealer(())
