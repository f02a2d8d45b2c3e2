"""The clients' pages as people use them: faults 5, rows 97 to 105."""

from __future__ import annotations

import html
from typing import Any

import pytest

from tts_service.clients.spending import Spending

LIST, NEW = "/dashboard/clients", "/dashboard/clients/new"
KEY = "xai-canary-0123456789abcdef"
ACME = "https://www.acme.com"


def edit(client: Any) -> str:
    return f"{LIST}/{client.client_id}"


def plain(page: Any) -> str:
    return html.unescape(page.text)


def test_without_clients_the_list_says_what_one_is_and_leads_to_the_first(ada: Any) -> None:
    page = ada.opens(LIST)
    assert "A client is one website's chat widget" in page.text
    assert f'href="{NEW}"' in page.text
    assert "<table" not in page.text


def test_the_list_shows_each_client_with_the_end_of_its_key(office: Any, ada: Any) -> None:
    office.store.add({"name": "Acme", "ai_api_key": KEY, "voice": "eve", "allowed_origins": [ACME]})
    office.store.add({"name": "Shop", "ai_provider": "openai", "allowed_origins": ["*"], "enabled": False})
    text = ada.opens(LIST).text
    for shown in ("Acme", "xAI", "eve", "…cdef", ">On<", "Shop", "OpenAI", "silent", "every", ">Off<"):
        assert shown in text
    assert KEY not in text


def test_the_list_is_searched_on_the_server(office: Any, ada: Any) -> None:
    office.store.add({"name": "Acme"})
    office.store.add({"name": "50% Off"})
    found = ada.opens(f"{LIST}?search=0%25")
    assert "50% Off" in found.text
    assert "Acme" not in found.text
    nothing = plain(ada.opens(f"{LIST}?search=%3Cscript%3E"))
    assert "0 of your clients match “<script>”" in nothing
    assert "<script>" not in ada.page.text
    assert ada.opens(f"{LIST}?search=%00").status == 422


def test_a_long_list_comes_in_pages(office: Any, ada: Any) -> None:
    for number in range(52):
        office.store.add({"name": f"Client {number:02}"})
    first = ada.opens(LIST)
    following = html.unescape(first.text.rpartition(f'href="{LIST}?')[2].partition('"')[0])
    second = ada.opens(f"{LIST}?{following}")
    assert ("Client 49" in first.text, "Client 50" in first.text) == (True, False)
    assert ("Client 49" in second.text, "Client 50" in second.text) == (False, True)
    assert "cursor=" not in second.text


def test_a_client_is_made_with_every_field_of_the_form(office: Any, ada: Any) -> None:
    page = ada.submits(
        NEW,
        name=" Müller & Söhne ",
        ai_provider="compatible",
        ai_base_url="https://llm.example.com/v1/",
        ai_model="small",
        ai_api_key=f" {KEY} ",
        speech_provider="xai",
        speech_engine="tts",
        voice="Rex",
        speed="1.1",
        language="pt-BR",
        pronunciations="SQL = sequel\n\nDr Who=Doctor Who\n",
        retry_on_drift="on",
        system_prompt="\nBe kind.\nAlways.",
        greeting="Moin",
        allowed_origins=f"{ACME}:443\n  http://localhost:3000 \n",
        daily_limit="2.5",
        retention_days="30",
        browser_tokens="on",
    )
    assert page.status == 303, plain(page)
    (client,) = office.store.all()
    assert page.location == edit(client)
    assert client.ai_api_key.reveal() == KEY
    assert client.shown() | {"client_id": "", "key_last4": "cdef"} == {
        "client_id": "",
        "name": "Müller & Söhne",
        "enabled": True,
        "ai_provider": "compatible",
        "ai_base_url": "https://llm.example.com/v1",
        "ai_model": "small",
        "has_api_key": True,
        "key_last4": "cdef",
        "system_prompt": "\nBe kind.\nAlways.",
        "speech_provider": "xai",
        "speech_engine": "tts",
        "voice": "rex",
        "speed": 1.1,
        "language": "pt-BR",
        "pronunciations": {"SQL": "sequel", "Dr Who": "Doctor Who"},
        "allowed_origins": [ACME, "http://localhost:3000"],
        "greeting": "Moin",
        "daily_limit": 2.5,
        "retention_days": 30,
        "browser_tokens": True,
        "retry_on_drift": True,
    }


def test_saving_an_untouched_form_changes_nothing(office: Any, ada: Any) -> None:
    client = office.store.add(
        {
            "name": '"><b>',
            "ai_api_key": KEY,
            "system_prompt": "\n\n  x\n<&> ",
            "greeting": "a\nb\n",
            "speed": 1.15,
            "daily_limit": 0.1,
            "pronunciations": {"a b": "c = d"},
            "allowed_origins": ["*"],
            "browser_tokens": True,
        }
    )
    assert ada.submits(edit(client)).status == 303
    after = office.store.get(client.client_id)
    assert after == client
    assert "Saved." in ada.follows().text
    assert "Saved." not in ada.opens(edit(client)).text, "a notice is said once"


def test_all_mistakes_are_told_at_once_at_their_fields_and_the_typing_stays(office: Any, ada: Any) -> None:
    typed = {
        "name": "x" * 101,
        "voice": "no voice!",
        "speed": "9",
        "daily_limit": "ten",
        "retention_days": "1.5",
        "ai_api_key": "not a key <canary>",
        "language": "klingon language",
        "allowed_origins": f"{ACME}\nhttps://a.com/path\n*.com\nnull",
        "pronunciations": "SQL = sequel\nnothing\nSQL = again\nC++ = see",
        "greeting": "typed <b>",
    }
    page = ada.submits(NEW, **typed)
    text = plain(page)
    assert page.status == 422
    assert office.store.all() == []
    for field in set(typed) - {"greeting"}:
        assert f'href="#{field}"' in text, field
        assert f'id="{field}-fault"' in text, field
        assert f"{field}-fault" in text.partition(f'id="{field}"')[2].partition(">")[0], field
    for said in (
        "Line 2: it must end after the host and port: no path and no slash at the end. Did you mean https://a.com?",
        "Line 3: ",
        "Line 4: null is what sandboxed pages",
        "Line 2: write it as phrase = respelling.",
        "Line 3: this phrase stands there twice.",
        "Line 4: a phrase has letters",
        "It must be a number from 0.7 to 1.5.",
    ):
        assert said in text, said
    assert "Line 1" not in text
    assert "typed &lt;b&gt;" in page.text
    assert "no voice!" in text
    assert "canary" not in text
    assert "Please type it again" in text


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"ai_provider": "compatible"}, "ai_base_url", "needs one"),
        ({"ai_provider": "else"}, "ai_provider", "one of: xai"),
        ({"speech_engine": "9"}, "speech_engine", "one of: realtime"),
        ({"allowed_origins": f"*\n{ACME}"}, "allowed_origins", "stands alone"),
        ({"system_prompt": "x" * 20_001}, "system_prompt", "at most 20,000"),
        ({"name": "\x07"}, "name", "control character"),
    ],
    ids=str,
)
def test_101_values_out_of_their_range_are_refused(
    ada: Any, changes: dict[str, str], field: str, said: str
) -> None:
    page = ada.submits(NEW, **{"name": "Acme"} | changes)
    assert page.status == 422
    assert said in plain(page).partition(f'id="{field}-fault"')[2].partition("</div>")[0]


def test_a_base_url_of_another_provider_is_not_meant(office: Any, ada: Any) -> None:
    assert ada.submits(NEW, name="Acme", ai_base_url="not a url").status == 303
    assert office.store.all()[0].ai_base_url is None


def test_100_plain_http_is_refused_in_production(open_office: Any) -> None:
    office = open_office(ENV="production")
    person = office.visitor()
    person.submits(f"/dashboard/welcome/{office.invite()}", name="Ada", password="correct horse battery")
    page = person.submits(NEW, name="Acme", allowed_origins="http://a.com")
    assert page.status == 422
    assert "It must begin with https://" in plain(page)
    assert "http://a.com" in page.text


@pytest.mark.parametrize(
    "field", ["tenant_id", "is_admin", "spent_today", "client_id", "enabled", "base_url_vouched"]
)
def test_97_a_field_that_is_not_in_the_form_is_refused(office: Any, ada: Any, field: str) -> None:
    client = office.store.add({"name": "Acme"})
    assert ada.submits(edit(client), **{field: "1"}).status == 400
    assert office.store.get(client.client_id) == client


def test_102_a_form_of_a_megabyte_is_too_large(ada: Any) -> None:
    assert ada.submits(NEW, name="Acme", system_prompt="x" * 1_000_000).status == 413


def test_103_a_name_is_text_whatever_it_looks_like(office: Any, ada: Any) -> None:
    for name in ("=cmd|' /C calc'!A0", "<svg onload=alert(1)>", "{{7*7}}", "Robert'); DROP TABLE clients;--"):
        client = office.store.add({"name": name})
        for path in (LIST, edit(client), f"{edit(client)}/delete"):
            assert name in plain(ada.opens(path))
            assert "<svg" not in ada.page.text


def test_104_no_page_ever_holds_a_key(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme", "ai_api_key": KEY})
    for path in (LIST, edit(client), f"{edit(client)}/delete"):
        assert KEY not in ada.opens(path).text
    assert 'ends with <span class="mono">…cdef</span>' in ada.opens(edit(client)).text
    again = ada.submits(edit(client), ai_api_key=KEY[:-4] + "6789", speed="9")
    assert again.status == 422
    assert KEY[:-4] not in again.text


def test_a_key_is_kept_replaced_and_removed(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme", "ai_api_key": KEY})

    def key() -> str | None:
        stored = office.store.get(client.client_id).ai_api_key
        return stored and stored.reveal()

    ada.submits(edit(client), greeting="Moin")
    assert key() == KEY
    ada.submits(edit(client), ai_api_key="xai-another-key-0123")
    assert key() == "xai-another-key-0123"
    ada.submits(edit(client), remove_key="on")
    assert key() is None
    assert "Remove the stored key" not in ada.opens(edit(client)).text


def test_another_provider_drops_the_key_and_says_so(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme", "ai_api_key": KEY})
    ada.submits(edit(client), ai_provider="openai")
    assert not office.store.get(client.client_id).has_api_key
    assert "The stored key was removed" in ada.follows().text


def test_105_a_stale_form_overwrites_nothing_and_shows_both_sides(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme", "voice": "ara", "greeting": "Hello", "language": "en"})
    eve = office.signed_in()
    eve.opens(edit(client))
    stale = {**eve.form(edit(client)), "greeting": "Welcome", "language": "de"}
    ada.submits(edit(client), voice="leo", greeting="Moin")
    page = eve.posts(edit(client), stale)
    text = plain(page)
    assert page.status == 412
    assert office.store.get(client.client_id).greeting == "Moin"
    shown = eve.form(edit(client))
    assert (shown["greeting"], shown["language"], shown["voice"]) == ("Welcome", "de", "leo")
    assert "Changed meanwhile, to: Moin" in text
    assert 'Taken over from them, since you left these alone: <a href="#voice">Voice</a>.' in text
    assert 'Changed by both of you: <a href="#greeting">Greeting</a>.' in text
    assert eve.posts(edit(client), shown).status == 303, "having seen both, she may save"
    after = office.store.get(client.client_id)
    assert (after.greeting, after.language, after.voice) == ("Welcome", "de", "leo")


def test_a_stale_form_with_a_mistake_in_it_is_still_stale_when_that_is_mended(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme", "voice": "ara"})
    ada.opens(edit(client))
    stale = ada.form(edit(client))
    office.store.change(client.client_id, {"voice": "leo"})
    ada.posts(edit(client), {**stale, "speed": "9"})
    mended = {**ada.form(edit(client)), "speed": "1.2"}
    assert ada.posts(edit(client), mended).status == 412
    assert office.store.get(client.client_id).voice == "leo"


def test_a_client_is_switched_off_and_on(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme"})
    for expected in (False, True):
        ada.submits(edit(client), f"{edit(client)}/switch")
        assert office.store.get(client.client_id).enabled is expected
        assert f'value="{"no" if expected else "yes"}"' in ada.follows().text


def test_a_client_is_deleted_only_after_a_page_that_names_it(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme"})
    page = ada.opens(f"{edit(client)}/delete")
    assert "Delete “Acme”" in plain(page)
    assert office.store.all() == [client]
    ada.submits(f"{edit(client)}/delete")
    assert office.store.all() == []
    assert "“Acme” is deleted." in plain(ada.follows())


@pytest.mark.parametrize("client_id", ["829cf9dc-16f7-4937-8dec-6073efd59642", "nothing", "%00", "'--"])
def test_96_a_client_that_is_not_there_is_404_on_every_page(ada: Any, client_id: str) -> None:
    for path in ("", "/delete"):
        assert ada.opens(f"{LIST}/{client_id}{path}").status == 404
    ada.opens(NEW)
    token = {"csrf_token": ada.form(NEW)["csrf_token"]}
    for path in ("", "/delete", "/switch"):
        assert ada.posts(f"{LIST}/{client_id}{path}", token).status == 404


def test_what_an_open_or_empty_list_of_origins_means_is_said(office: Any, ada: Any) -> None:
    nobody, everybody = (
        office.store.add({"name": "A"}),
        office.store.add({"name": "B", "allowed_origins": ["*"]}),
    )
    assert "No web page may use this client" in ada.opens(edit(nobody)).text
    assert "Every website may use this client and spend its money" in ada.opens(edit(everybody)).text


@pytest.mark.parametrize(
    ("limit", "spent", "means"),
    [
        (0, 0, "until 00:00 UTC it answers nobody"),
        (1, 1, "until 00:00 UTC it answers in writing only"),
        (1, 1.25, "until 00:00 UTC it answers nobody"),
    ],
)
def test_a_daily_limit_that_is_used_up_is_told_on_the_clients_page(
    office: Any, ada: Any, limit: float, spent: float, means: str
) -> None:
    client = office.store.add({"name": "A", "daily_limit": limit})
    Spending(office.database).add(client.client_id, spent)
    assert means in plain(ada.opens(edit(client)))


def test_what_counts_against_a_daily_limit_stands_beside_it(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "A", "daily_limit": 2.5})
    Spending(office.database).add(client.client_id, 0.0196)
    text = plain(ada.opens(edit(client)))
    assert "Counted today: $0.0196 of $2.5." in text
    assert "used up" not in text


def test_without_the_provider_the_classic_five_can_be_chosen_and_the_page_says_why(ada: Any) -> None:
    page = ada.opens(NEW).text
    assert page.count('name="voice"') == 5
    assert "The voice provider cannot be reached." in page


def test_the_snippet_and_the_costs_stand_where_they_are_needed(office: Any, ada: Any) -> None:
    client = office.store.add({"name": "Acme"})
    text = plain(ada.opens(edit(client)))
    assert f'<script async src="{ada.origin}/widget.js" data-client="{client.client_id}"></script>' in text
    assert "$0.098 a minute of speech" in text
    assert "$0.013 a minute of speech" in text


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("name=%ff", "application/x-www-form-urlencoded", 400),
        ("name=a&name=b", "application/x-www-form-urlencoded", 400),
        ("&".join(f"a{n}=" for n in range(300)), "application/x-www-form-urlencoded", 400),
        ("name=ü", "application/x-www-form-urlencoded", 400),
        ("--x--", "multipart/form-data; boundary=x", 403),
    ],
    ids=["not UTF-8", "twice", "many", "not encoded", "multipart"],
)
def test_a_form_that_no_browser_sends_is_refused(ada: Any, body: str, kind: str, status: int) -> None:
    assert ada.send("POST", NEW, body, Content_Type=kind).status == status
