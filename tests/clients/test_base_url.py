"""Where a client's own model may stand, and who says so."""

from __future__ import annotations

import pytest

from tests.clients.urls import ANYBODY, NOBODY, OPERATORS
from tts_service.clients.client import Client, revised
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database.engine import Database
from tts_service.errors import UrlNotAllowed

CLIENT = Client("00000000-0000-4000-8000-000000000001", "Acme")
COMPATIBLE = {"name": "Acme", "ai_provider": "compatible", "ai_model": "small", "ai_api_key": "sk-0123456789"}


def setting(url: str) -> dict[str, object]:
    return COMPATIBLE | {"ai_base_url": url}


@pytest.mark.parametrize("url", [*NOBODY, *OPERATORS])
def test_a_customer_cannot_send_us_anywhere_but_to_a_public_server(url: str) -> None:
    with pytest.raises(UrlNotAllowed) as raised:
        revised(CLIENT, setting(url))
    assert (raised.value.code, raised.value.status) == ("url_not_allowed", 422)
    assert raised.value.param == "ai_base_url"


@pytest.mark.parametrize("url", NOBODY)
def test_not_even_an_operator_can_send_us_to_a_metadata_service(url: str) -> None:
    with pytest.raises(UrlNotAllowed):
        revised(CLIENT, setting(url), vouches=True)


@pytest.mark.parametrize("url", OPERATORS)
def test_an_operator_can_use_a_model_at_home(url: str) -> None:
    assert revised(CLIENT, setting(url), vouches=True).base_url_vouched


@pytest.mark.parametrize("url", ANYBODY)
def test_a_public_server_needs_nobodys_word(url: str) -> None:
    assert not revised(CLIENT, setting(url)).base_url_vouched


def test_a_url_sent_back_with_the_rest_of_a_form_keeps_the_operators_word_and_the_key() -> None:
    home = revised(CLIENT, setting("http://127.0.0.1:11434/v1"), vouches=True)
    after = revised(home, {"name": "Other", "ai_base_url": "http://127.0.0.1:11434/v1/"})
    assert (after.base_url_vouched, after.ai_api_key) == (True, home.ai_api_key)


def test_the_operators_word_does_not_go_over_to_another_url() -> None:
    home = revised(CLIENT, setting("http://127.0.0.1:11434/v1"), vouches=True)
    with pytest.raises(UrlNotAllowed):
        revised(home, {"ai_base_url": "http://127.0.0.1:6379/v1"})
    assert not revised(home, {"ai_base_url": "https://llm.example.com"}).base_url_vouched
    assert not revised(home, {"ai_provider": "xai"}).base_url_vouched


def test_an_operator_can_vouch_for_a_url_that_stands_there_already() -> None:
    public = revised(CLIENT, setting("https://llm.example.com/v1"))
    assert revised(public, {"ai_base_url": "https://llm.example.com/v1"}, vouches=True).base_url_vouched


def test_the_store_refuses_the_whole_list_and_keeps_nothing_of_it(store: ClientStore) -> None:
    kept = store.add(setting("https://llm.example.com/v1"))
    for url in (*NOBODY, *OPERATORS):
        with pytest.raises(UrlNotAllowed):
            store.add(setting(url))
        with pytest.raises(UrlNotAllowed):
            store.change(kept.client_id, {"ai_base_url": url})
    assert store.all() == [kept]


def test_a_store_that_vouches_remembers_it_and_one_that_does_not_takes_it_back(
    database: Database, sealer: Sealer, store: ClientStore
) -> None:
    operators = ClientStore(database, sealer, vouches_for_urls=True)
    client_id = operators.add(setting("http://127.0.0.1:11434/v1")).client_id
    assert store.get(client_id).base_url_vouched
    assert store.change(client_id, {"voice": "rex"}).base_url_vouched
    moved = store.change(client_id, {"ai_base_url": "https://llm.example.com/v1"})
    assert (moved.base_url_vouched, moved.has_api_key) == (False, False)
    assert store.get(client_id) == moved
