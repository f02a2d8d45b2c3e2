"""What is heard and tried on a client's page before it is saved, with the sandbox as the provider."""

from __future__ import annotations

import io
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.conftest import nothing_leaks
from tests.web.dashboard.conftest import ACCOUNT_ID, SECRET_KEY, Fields, Office, begin_anew, opened
from tts_service.accounts.sessions import Sessions
from tts_service.clients.sealing import Sealer
from tts_service.clients.spending import Spending, utc_today
from tts_service.clients.store import ClientStore
from tts_service.sandbox.main import start_in_thread
from tts_service.secret import Secret
from tts_service.usage.report import read_report

CLIENTS = "/dashboard/clients"
GOOD = "xai-sandbox"
JSON = {"Accept": "application/json"}


@dataclass
class Studio:
    """A service that speaks, and somebody signed in who sends what the page's scripts send."""

    office: Office
    sandbox: str
    session: str
    token: str

    def client(self, **fields: object) -> str:
        client_id: str = self.office.store.add({"name": "Acme"} | fields).client_id
        return client_id

    def post(self, path: str, fields: dict[str, str], **headers: str) -> requests.Response:
        url = f"http://127.0.0.1:{self.office.port}{path}"
        sent = {"Connection": "close", "X-CSRF-Token": self.token, "Cookie": f"tts_session={self.session}"}
        return requests.post(url, data=fields, headers=sent | JSON | headers, timeout=60)

    def page(self, path: str) -> str:
        url, cookie = f"http://127.0.0.1:{self.office.port}{path}", f"tts_session={self.session}"
        return requests.get(url, headers={"Connection": "close", "Cookie": cookie}, timeout=60).text

    def hears(self, client_id: str, **fields: str) -> requests.Response:
        return self.post(f"{CLIENTS}/{client_id}/hear", fields)

    def tries(self, client_id: str, **fields: str) -> Any:
        return self.post(f"{CLIENTS}/{client_id}/test-key", fields).json()

    def calls(self) -> list[dict[str, Any]]:
        record = self.sandbox.replace("/v1", "/sandbox/calls")
        calls: list[dict[str, Any]] = requests.get(
            record, headers={"Connection": "close"}, timeout=60
        ).json()["calls"]
        return calls


@pytest.fixture(scope="module", autouse=True)
def _nothing_leaks() -> Iterator[None]:
    """The one service of these tests keeps connections open between them; they end with it."""
    with nothing_leaks():
        yield


@pytest.fixture(scope="module")
def _studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, str]]:
    folder = tmp_path_factory.mktemp("studio")
    with (
        start_in_thread(voice="tone") as sandbox,
        opened(folder, XAI_API_KEY=GOOD, XAI_BASE_URL=sandbox) as office,
    ):
        yield office, sandbox


@pytest.fixture
def studio(_studio: tuple[Office, str], _password_hash: str) -> Studio:
    office, sandbox = _studio
    begin_anew(office.database, _password_hash)
    requests.delete(sandbox.replace("/v1", "/sandbox/calls"), headers={"Connection": "close"}, timeout=60)
    session = Sessions(office.database).open(ACCOUNT_ID)
    studio = Studio(office, sandbox, session, "")
    studio.token = Fields(studio.page(f"{CLIENTS}/new"), f"{CLIENTS}/new").values["csrf_token"]
    return studio


def seconds(answer: requests.Response) -> float:
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "audio/wav"), answer.text
    with wave.open(io.BytesIO(answer.content)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 24_000)
        return sound.getnframes() / 24_000


def refused(answer: requests.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


# Hearing.


def test_the_greeting_of_the_form_is_heard_in_the_voice_of_the_form_and_not_stored(studio: Studio) -> None:
    client_id = studio.client(greeting="Stored.")
    before = studio.office.store.get(client_id)
    ara = studio.hears(client_id, greeting="Good morning, this is Acme.", voice="ara")
    leo = studio.hears(client_id, greeting="Good morning, this is Acme.", voice="leo")
    slow = studio.hears(client_id, greeting="Good morning, this is Acme.", voice="ara", speed="0.7")
    assert ara.content != leo.content
    assert seconds(slow) > seconds(ara) > 0.5
    assert studio.office.store.get(client_id) == before
    assert ara.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("engine", ["realtime", "tts"])
def test_what_was_heard_before_is_not_bought_again_and_all_of_it_is_counted(
    studio: Studio, engine: str
) -> None:
    client_id = studio.client(daily_limit=1)
    said = {"greeting": f"Only once, by {engine}.", "voice": "rex", "speech_engine": engine}
    first, spent = studio.hears(client_id, **said), Spending(studio.office.database).today(client_id)
    bought = len(studio.calls())
    assert spent > 0
    assert studio.hears(client_id, **said).content == first.content
    assert len(studio.calls()) == bought
    assert Spending(studio.office.database).today(client_id) == spent
    assert counted_ms(studio, client_id) == pytest.approx(2000 * seconds(first), abs=4)


def counted_ms(studio: Studio, client_id: str) -> int:
    """What the ledger has written, a second later, of two answers."""
    until = time.monotonic() + 20
    while True:
        total = read_report(studio.office.database, client_id, utc_today(), 1).total
        if total.cached_ms or time.monotonic() > until:
            assert total.turns == 0
            return total.speech_ms
        time.sleep(0.05)


def test_an_empty_greeting_is_heard_as_an_example_in_the_forms_language(studio: Studio) -> None:
    client_id = studio.client()
    english, german = (studio.hears(client_id, greeting=" ", language=tag) for tag in ("auto", "de-AT"))
    assert seconds(english) != seconds(german)


def test_a_phrase_is_heard_alone_with_its_respelling(studio: Studio) -> None:
    client_id = studio.client(greeting="A long greeting that nobody wants to hear now.")
    plain = studio.hears(client_id, phrase="SQL", pronunciations="", speech_engine="tts")
    respelt = studio.hears(
        client_id, phrase="SQL", pronunciations="SQL = a sequel to the sequel", speech_engine="tts"
    )
    assert seconds(plain) < seconds(respelt) < 4


def test_a_client_that_is_not_saved_yet_is_heard_with_the_key_that_is_typed(studio: Studio) -> None:
    said = {"greeting": "Nobody has saved me.", "voice": "eve"}
    assert seconds(studio.post("/dashboard/hear", said)) > 0.5
    status, code, message = refused(
        studio.post("/dashboard/hear", said | {"ai_api_key": "xai-nobodys-canary", "voice": "sal"})
    )
    assert (status, code) == (502, "speech_auth")
    assert message.endswith("Check that it is valid and may use the Voice endpoint.")


def test_the_stored_key_speaks_until_another_provider_is_chosen(studio: Studio) -> None:
    client_id = studio.client(ai_api_key="xai-sandbox-of-acme+realtime.http=403", greeting="Whose key?")
    assert refused(studio.hears(client_id, ai_provider="xai"))[1] == "speech_auth"
    assert seconds(studio.hears(client_id, ai_provider="openai")) > 0, "the service's own key spoke"


def test_a_failure_of_the_voice_says_what_to_do(studio: Studio) -> None:
    key = "xai-sandbox+realtime.no_audio"
    status, code, message = refused(studio.hears(studio.client(), greeting="Silence.", ai_api_key=key))
    assert (status, code) == (502, "speech_empty")
    assert "choose the other speech engine" in message


def test_a_limit_that_is_used_up_is_told_with_what_to_do(studio: Studio) -> None:
    client_id = studio.client(daily_limit=0)
    status, code, message = refused(studio.hears(client_id, greeting="Free?", daily_limit="100"))
    assert (status, code) == (429, "budget_exhausted")
    assert "00:00 UTC" in message
    assert studio.calls() == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"speed": "9"}, "Speed: It must be a number from 0.7 to 1.5."),
        ({"pronunciations": "SQL = sequel\nnothing"}, "Line 2: write it as phrase = respelling."),
        ({"voice": "no voice!"}, "Voice: It must be a voice's id"),
        ({"voice": ""}, "Voice: It must be a voice's id"),
        ({"greeting": "x" * 1_001}, "Greeting: It must be text of at most 1,000"),
        ({"phrase": "\x00"}, "control character"),
        ({"greeting": "***"}, "nothing in this text that a voice could say"),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_named_and_nothing_is_bought(
    studio: Studio, fields: dict[str, str], said: str
) -> None:
    status, _, message = refused(studio.hears(studio.client(greeting="Hello"), **fields))
    assert status == 422
    assert said in message
    assert studio.calls() == []


def test_nobody_hears_without_a_session_or_from_another_page(studio: Studio) -> None:
    path, said = f"{CLIENTS}/{studio.client()}/hear", {"greeting": "Hello"}
    assert studio.post(path, said, Cookie="").status_code == 401
    assert studio.post(path, said, **{"X-CSRF-Token": "wrong"}).status_code == 403
    assert studio.post(path, said, Origin="https://evil.example").status_code == 403
    assert studio.hears("829cf9dc-16f7-4937-8dec-6073efd59642", **said).status_code == 404


# The voices.


def test_the_voices_of_the_provider_stand_on_the_page_and_a_custom_one_stays(studio: Studio) -> None:
    client_id = studio.client(voice="nlbqfwie")
    page = studio.page(f"{CLIENTS}/{client_id}")
    assert page.count('name="voice"') == 29
    assert "warm, female" in page
    assert 'value="nlbqfwie" checked' in page
    calls = len(studio.calls())
    studio.page(f"{CLIENTS}/{client_id}")
    assert len(studio.calls()) == calls, "the list is kept"


def test_a_provider_that_hangs_does_not_hold_the_page(studio: Studio) -> None:
    client_id = studio.client(ai_api_key="xai-sandbox+voices.hang")
    began = time.monotonic()
    page = studio.page(f"{CLIENTS}/{client_id}")
    assert time.monotonic() - began < 8
    assert page.count('name="voice"') == 5
    assert "did not list its voices in time" in page


def test_a_typed_voice_counts_instead_of_the_chosen_one(studio: Studio) -> None:
    client_id = studio.client()
    path = f"{CLIENTS}/{client_id}"
    form = Fields(studio.page(path), path).values
    assert (form["voice"], form["voice_other"]) == ("ara", "")
    studio.post(path, form | {"voice_other": " NLBqfwie "})
    assert studio.office.store.get(client_id).voice == "nlbqfwie"


# The key.


def test_a_good_key_is_told_with_its_models_and_that_it_speaks(studio: Studio) -> None:
    trial = studio.tries(studio.client(), ai_provider="xai", ai_api_key="xai-sandbox-typed")
    assert trial["verdict"] == "good"
    which, model, voice = trial["findings"]
    assert which == "Tried: the key that is typed here."
    assert "is among the models it lists" in model
    assert voice.startswith("It may speak, too")
    assert "grok-4.3" in trial["models"]
    assert {call["surface"] for call in studio.calls()} == {"models", "realtime"}
    assert all(call["items_created"] == 0 for call in studio.calls()), "nothing was bought"


STORED = "xai-sandbox-stored"


@pytest.mark.parametrize(
    ("stored", "typed", "verdict", "said"),
    [
        ({}, {}, "good", "Tried: the service's own key (XAI_API_KEY)."),
        ({"ai_api_key": STORED}, {}, "good", "Tried: the stored key, which ends with …ored."),
        ({"ai_api_key": STORED}, {"remove_key": "on"}, "good", "Tried: the service's own key"),
        ({}, {"ai_model": "grok-9"}, "doubtful", "does not list grok-9"),
        ({}, {"ai_api_key": "xai-canary"}, "bad", "refused the key"),
        (
            {},
            {"ai_api_key": "xai-sandbox+realtime.http=403"},
            "doubtful",
            "It does not speak: The voice provid",
        ),
        ({}, {"ai_api_key": "xai-sandbox+models.http=503"}, "bad", "has an outage"),
        ({}, {"ai_provider": "openai"}, "bad", "There is no key for this client. Set OPENAI_API_KEY"),
        (
            {"ai_api_key": STORED},
            {"ai_provider": "openai"},
            "bad",
            "The stored key was not sent: it belongs to the stored provider",
        ),
        (
            {},
            {"ai_provider": "compatible", "ai_base_url": "https://llm.invalid/v1"},
            "bad",
            "cannot be reached",
        ),
    ],
    ids=str,
)
def test_the_test_says_in_words_what_is_wrong(
    studio: Studio, stored: dict[str, object], typed: dict[str, str], verdict: str, said: str
) -> None:
    client_id = studio.client(**stored)
    trial = studio.tries(client_id, **{"ai_provider": "xai"} | typed)
    assert said in " ".join(trial["findings"])
    assert trial["verdict"] == verdict


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/v1", "https://169.254.169.254/v1", "https://10.0.0.1/v1"]
)
def test_a_private_address_is_not_asked(studio: Studio, url: str) -> None:
    answer = studio.post(
        f"{CLIENTS}/{studio.client()}/test-key", {"ai_provider": "compatible", "ai_base_url": url}
    )
    status, code, message = refused(answer)
    assert (status, code) == (422, "url_not_allowed")
    assert message.startswith("Base URL: It must be a public https address"), "in the words of the page"
    heard = studio.hears(
        studio.client(), ai_provider="compatible", ai_base_url=url, voice="ara", greeting="Hello"
    )
    assert refused(heard)[2] == message


def test_a_stored_key_goes_to_no_other_base_url(studio: Studio) -> None:
    """An operator has vouched for the stored one: the sandbox, which stands on this machine."""
    sealer = Sealer((Secret(SECRET_KEY),))
    vouching = ClientStore(studio.office.database, sealer, vouches_for_urls=True)
    fields = {"ai_provider": "compatible", "ai_base_url": studio.sandbox, "ai_api_key": "any-sandbox"}
    client_id = vouching.add({"name": "Own", **fields}).client_id
    kept = studio.tries(client_id, ai_provider="compatible", ai_base_url=studio.sandbox)
    assert kept["findings"][1] == "The key is accepted. No model is chosen yet: take one of those it lists."
    assert kept["models"]
    elsewhere = studio.post(
        f"{CLIENTS}/{client_id}/test-key",
        {"ai_provider": "compatible", "ai_base_url": studio.sandbox.replace("/v1", "/v2")},
    )
    assert refused(elsewhere)[1] == "url_not_allowed"
    moved = studio.tries(client_id, ai_provider="compatible", ai_base_url="https://llm.invalid/v1")
    assert moved["findings"][0].startswith("The stored key was not sent")
    assert moved["findings"][1] == "Tried: without a key."
    assert [call["surface"] for call in studio.calls()] == ["models"], "asked once, at the stored address"


def test_without_a_script_the_answer_is_the_form_as_it_was_typed(studio: Studio) -> None:
    client_id = studio.client()
    path = f"{CLIENTS}/{client_id}"
    form = Fields(studio.page(path), path).values
    typed = form | {"greeting": "Typed, not saved", "ai_api_key": "xai-sandbox-canary", "voice": "leo"}
    answer = studio.post(f"{path}/test-key", typed, Accept="text/html")
    assert answer.status_code == 200
    assert "is among the models it lists" in answer.text
    assert "type it again before you save" in answer.text
    assert "canary" not in answer.text
    again = Fields(answer.text, path).values
    assert (again["greeting"], again["voice"]) == ("Typed, not saved", "leo")
    assert studio.office.store.get(client_id).greeting == ""
    private = typed | {"ai_provider": "compatible", "ai_base_url": "https://10.0.0.1/v1"}
    refusal = studio.post(f"{path}/test-key", private, Accept="text/html")
    assert refusal.status_code == 422
    assert 'id="ai_base_url-fault"' in refusal.text


def test_a_session_may_try_ten_keys_a_minute(studio: Studio) -> None:
    answers = [studio.post("/dashboard/test-key", {"ai_provider": "openai"}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) <= 60


def test_104_no_log_line_of_a_test_holds_the_key(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for key in ("xai-canary-7f3a", "xai-sandbox-canary-7f3a"):
        studio.tries(studio.client(), ai_provider="xai", ai_api_key=key)
        studio.hears(studio.client(), greeting="Canary.", ai_api_key=key)
    assert caplog.text
    assert "7f3a" not in caplog.text


# Origins.


def test_each_origin_is_explained_while_it_is_typed(studio: Studio) -> None:
    typed = "HTTPS://Acme.com:443\n\nhttps://acme.com/shop/\nacme.com\n*.acme.com\nhttp://acme.com"
    answer = studio.post("/dashboard/check-origins", {"allowed_origins": typed}).json()
    told = {line["number"]: (line["kept"], line["mistake"], line["meant"]) for line in answer["lines"]}
    assert told[1] == ("https://acme.com", None, None)
    assert told[3][0] is None
    assert "no path" in told[3][1]
    assert told[3][2] == told[4][2] == "https://acme.com"
    assert "wildcards" in told[5][1]
    assert any("http://" in warning for warning in answer["warnings"])


@pytest.mark.parametrize(
    ("typed", "said"), [("", "No web page may use this client"), ("*", "Every website may use this client")]
)
def test_what_a_list_means_that_fits_is_said_too(studio: Studio, typed: str, said: str) -> None:
    (warning,) = studio.post("/dashboard/check-origins", {"allowed_origins": typed}).json()["warnings"]
    assert said in warning
