from __future__ import annotations

import math
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.clients.fields import FIELDS, checked, from_text
from tts_service.errors import InvalidRequest, RequestError, UnknownField
from tts_service.secret import Secret

FITTING: list[tuple[str, Any, Any]] = [
    ("name", "Acme", "Acme"),
    ("name", "  Acme ", "Acme"),
    ("name", "=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
    ("name", "<svg onload=alert(1)>", "<svg onload=alert(1)>"),
    ("name", "é" * 100, "é" * 100),
    ("enabled", False, False),
    ("ai_provider", "compatible", "compatible"),
    ("ai_base_url", "https://llm.example.com/v1/", "https://llm.example.com/v1"),
    ("ai_base_url", "HTTP://LLM.example.com:8080/V1", "http://llm.example.com:8080/V1"),
    ("ai_base_url", "http://[fd00::1]:8080", "http://[fd00::1]:8080"),
    ("ai_base_url", None, None),
    ("ai_api_key", "xai-abc", Secret("xai-abc")),
    ("ai_api_key", Secret("xai-abc"), Secret("xai-abc")),
    ("ai_api_key", "k" * 512, Secret("k" * 512)),
    ("ai_api_key", None, None),
    ("ai_model", "org/model-7b:free", "org/model-7b:free"),
    ("ai_model", None, None),
    ("system_prompt", "Be kind.\nTab\there. 日本 👩‍👩‍👧", "Be kind.\nTab\there. 日本 👩‍👩‍👧"),
    ("system_prompt", "", ""),
    ("system_prompt", "x" * 20_000, "x" * 20_000),
    ("speech_provider", "off", "off"),
    ("speech_engine", "tts", "tts"),
    ("voice", "Ara", "ara"),
    ("voice", "a-b_9", "a-b_9"),
    ("speed", 0.7, 0.7),
    ("speed", 1, 1.0),
    ("speed", 1.5, 1.5),
    ("language", "AUTO", "auto"),
    ("language", "pt-BR", "pt-BR"),
    ("language", "zh-Hant-TW", "zh-Hant-TW"),
    (
        "pronunciations",
        {"SQL": "sequel", "O'Brien 2": "oh brian"},
        {"SQL": "sequel", "O'Brien 2": "oh brian"},
    ),
    ("pronunciations", {"हिन्दी": "Hindi"}, {"हिन्दी": "Hindi"}),
    ("pronunciations", {f"w{i}": "x" for i in range(200)}, {f"w{i}": "x" for i in range(200)}),
    ("allowed_origins", ["HTTPS://A.com:443", "https://a.com"], ("https://a.com",)),
    ("allowed_origins", ["*"], ("*",)),
    ("allowed_origins", [], ()),
    ("greeting", "Hello!", "Hello!"),
    ("daily_limit", None, None),
    ("daily_limit", 0, 0.0),
    ("daily_limit", 2.5, 2.5),
    ("retention_days", 0, 0),
    ("retention_days", 3650, 3650),
    ("browser_tokens", True, True),
    ("retry_on_drift", True, True),
]

REFUSED: list[tuple[str, Any]] = [
    *[("name", v) for v in ("", "   ", "x" * 101, "a\nb", "a\x00b", "a\u2028b", "a\ud800b", "\x1b[31m")],
    *[("name", v) for v in (None, 7, ["Acme"])],
    *[
        (flag, v)
        for flag in ("enabled", "browser_tokens", "retry_on_drift")
        for v in (0, 1, "true", "yes", None, [])
    ],
    *[("ai_provider", v) for v in ("XAI", "anthropic", "", None, ["xai"])],
    *[
        ("ai_base_url", v)
        for v in (
            "",
            "llm.example.com",
            "file:///etc/passwd",
            "gopher://x",
            "https://",
            "https://api.x.ai@evil",
            "https://evil#api.x.ai",
            "https://evil\\@api.x.ai",
            "https://a.com/v1?key=1",
            "https://a.com:0/v1",
            "https://a.com:65536",
            "https://a.com:x",
            "https://[::1",
            "https://a b.com",
            "https://müller.de",
            "https://a.com\r\nX: 1",
            "https://" + "a" * 500,
            5,
        )
    ],
    *[
        ("ai_api_key", v)
        for v in ("", "xai abc", "xai\n", "\txai", "xäi", "x" * 513, "x" * 10_000, "“xai”", "a\x00", 1)
    ],
    *[("ai_model", v) for v in ("", "a b", "x" * 201, "grok\n", "ü", 3)],
    *[("system_prompt", v) for v in ("x" * 20_001, "x" * 1_000_000, "\x00", "\udfff", "\x1b[0m", None, {})],
    *[("speech_provider", v) for v in ("on", True, None)],
    *[("speech_engine", v) for v in ("REALTIME", "", None)],
    *[("voice", v) for v in ("", "a b", "ara\n", "../x", "x" * 65, "é", "ａｒａ", None, 1)],
    *[("speed", v) for v in (0.69, 1.51, "1", True, None, float("nan"), float("inf"), 10**400, [1])],
    *[("language", v) for v in ("", "e", "english", "en_US", "en-", "-en", "ёж", None, 1)],
    *[
        ("pronunciations", v)
        for v in (
            None,
            [],
            "SQL",
            {"": "x"},
            {"x": ""},
            {"x" * 101: "y"},
            {"x": "y" * 129},
            {"x": 1},
            {1: "x"},
            {"C++": "see plus plus"},
            {"x": "a\nb"},
            {f"w{i}": "x" for i in range(201)},
        )
    ],
    *[
        ("allowed_origins", v)
        for v in (
            None,
            "https://a.com",
            {"https://a.com": 1},
            [1],
            [None],
            ["*.com"],
            ["https://a.com/path"],
            ["null"],
            ["https://u@a.com"],
            ["*", "https://a.com"],
            [f"https://a{i}.com" for i in range(101)],
        )
    ],
    *[("greeting", v) for v in ("x" * 1001, None, "\x00")],
    *[("daily_limit", v) for v in (-0.01, float("nan"), float("inf"), "5", True, 10**400)],
    *[("retention_days", v) for v in (-1, 3651, 1.0, "7", None, True)],
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "kept"), FITTING)
def test_a_fitting_value_is_kept_in_its_normal_form(field: str, value: Any, kept: Any) -> None:
    result = checked({field: value})
    assert result == {field: kept}
    assert type(result[field]) is type(kept)


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_an_unfit_value_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as raised:
        checked({field: value})
    assert raised.value.param == field
    assert raised.value.message.startswith(f"{field} must be ")


# What JSON Schema cannot say, or says otherwise: it takes 1.0 for a whole number.
BEYOND_SCHEMA: dict[str, Any] = {
    "name": ["a\ud800b"],
    "system_prompt": ["\udfff"],
    "ai_base_url": [
        "https://",
        "https://a.com:0/v1",
        "https://a.com:65536",
        "https://a.com:x",
        "https://[::1",
    ],
    "allowed_origins": [["*", "https://a.com"]],
    "retention_days": [1.0],
}


def _schema_takes(field: str, value: Any) -> bool:
    """Whether the schema in the OpenAPI document lets `value` through; what JSON cannot hold, it does not."""
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if isinstance(value, Secret):
        return _schema_takes(field, value.reveal())
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        return False
    return bool(jsonschema_rs.is_valid(FIELDS[field].schema, value))


@pytest.mark.parametrize(("field", "value"), [row[:2] for row in FITTING])
def test_the_schema_refuses_nothing_that_fits(field: str, value: Any) -> None:
    assert _schema_takes(field, value)


@pytest.mark.parametrize(
    ("field", "value"), [(f, v) for f, v in REFUSED if v not in BEYOND_SCHEMA.get(f, []) and v != 10**400]
)
def test_the_schema_refuses_what_does_not_fit_wherever_it_can_say_so(field: str, value: Any) -> None:
    assert not _schema_takes(field, value)


def test_every_field_is_in_both_tables() -> None:
    assert {field for field, *_ in FITTING} == set(FIELDS)
    assert {field for field, *_ in REFUSED} == set(FIELDS)


def test_a_refused_key_is_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as raised:
        checked({"ai_api_key": "xai-canary with a space"})
    assert "canary" not in f"{raised.value.message} {raised.value!r} {raised.value.__context__!r}"


@pytest.mark.parametrize("field", ["client_id", "tenant_id", "is_admin", "spent_today", "__proto__"])
def test_a_field_that_is_not_there_to_be_set_is_refused(field: str) -> None:
    with pytest.raises(UnknownField) as raised:
        checked({"name": "Acme", field: 1})
    assert raised.value.param == field
    assert "allowed_origins" in raised.value.message


def test_a_key_in_the_place_of_a_field_name_is_not_repeated() -> None:
    with pytest.raises(UnknownField) as raised:
        checked({"xai-canary123": "x"})
    assert raised.value.param is None
    assert "canary" not in raised.value.message


def test_the_mistake_in_an_origin_is_explained() -> None:
    with pytest.raises(InvalidRequest) as raised:
        checked({"allowed_origins": ["https://a.com", "https://b.com/"]})
    assert "entry 2" in raised.value.message
    assert "slash" in raised.value.message


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("name", "null", "null"),
        ("enabled", "True", True),
        ("browser_tokens", "false", False),
        ("ai_base_url", "none", None),
        ("ai_api_key", "null", None),
        ("ai_model", "grok-4.3", "grok-4.3"),
        ("speed", "1.1", 1.1),
        ("daily_limit", "NULL", None),
        ("daily_limit", "2", 2),
        ("retention_days", "30", 30),
        ("pronunciations", '{"SQL": "sequel"}', {"SQL": "sequel"}),
        ("allowed_origins", "https://a.com, https://b.com", ["https://a.com", "https://b.com"]),
        ("allowed_origins", '["https://a.com"]', ["https://a.com"]),
        ("allowed_origins", "*", ["*"]),
        ("allowed_origins", "", []),
        ("greeting", "a=b", "a=b"),
    ],
)
def test_a_command_line_says_every_kind_of_value(field: str, text: str, value: Any) -> None:
    assert from_text(field, text) == value
    checked({field: from_text(field, text)})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("enabled", "maybe"),
        ("speed", "fast"),
        ("speed", "1,1"),
        ("retention_days", "9" * 5000),
        ("pronunciations", "SQL"),
        ("pronunciations", "[" * 100_000),
        ("allowed_origins", "[https://a.com]"),
    ],
)
def test_text_that_cannot_be_read_is_refused_by_the_name_of_its_field(field: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        from_text(field, text)
    assert raised.value.param == field


def test_an_empty_text_never_means_null_so_an_unset_shell_variable_removes_no_key() -> None:
    with pytest.raises(InvalidRequest):
        checked({"ai_api_key": from_text("ai_api_key", "")})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(field=st.sampled_from(sorted(FIELDS)), value=ANYTHING)
def test_no_value_does_anything_but_fit_or_be_refused(field: str, value: Any) -> None:
    try:
        kept = checked({field: value})
    except RequestError:
        return
    # What fits can be stored: no NUL and no lone surrogate (faults L19).
    assert "\x00" not in str(kept)
    str(kept).encode()
    assert checked(kept) == kept


@given(field=st.sampled_from(sorted(FIELDS)), value=ANYTHING)
def test_what_the_schema_refuses_never_fits(field: str, value: Any) -> None:
    try:
        checked({field: value})
    except RequestError:
        return
    assert _schema_takes(field, value)


@given(field=st.sampled_from(sorted(FIELDS)), text=st.text())
def test_no_text_does_anything_but_fit_or_be_refused(field: str, text: str) -> None:
    try:
        checked({field: from_text(field, text)})
    except InvalidRequest:
        return
