"""A client's own base URL, through the whole service: the guard stands on the road of a turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import update

from tests.chat.scripted import ScriptedPeer, says, streamed
from tts_service.clients.sealing import Sealer
from tts_service.clients.store import ClientStore
from tts_service.database import tables
from tts_service.database.engine import open_database
from tts_service.secret import Secret


def test_a_private_address_is_asked_on_an_operators_word_and_never_without(
    start: Callable[..., Any], serve: Callable[..., ScriptedPeer], tmp_path: Path
) -> None:
    peer, service = serve(says(streamed("Hello."))), start()
    database = open_database(f"sqlite:///{tmp_path}/tts.db")
    try:
        store = ClientStore(database, Sealer((Secret("a-secret-key-of-the-tests"),)), vouches_for_urls=True)
        home = {"ai_provider": "compatible", "ai_base_url": peer.url, "ai_model": "small"}
        service.clients["home"] = store.add({"name": "Home"} | home).client_id
        assert service.ask("Hi", "home").json["text"] == "Hello."
        with database.writing() as connection:  # as though its public name led here since yesterday
            connection.execute(update(tables.clients).values(base_url_vouched=False))
    finally:
        database.close()

    refused = service.ask("Hi", "home")

    assert (refused.status, refused.code) == (502, "upstream_config")
    assert "127.0.0.1" not in refused.body.decode()
    assert (peer.connections, len(peer.requests)) == (1, 1)
