import contextlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_service.errors import DuplicateKey, InvalidJson, JsonTooDeep
from tts_service.web import strict_json


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1} x',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": -0}',
        b'{"a": -0.0}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "' + b"\xff" + b'"}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32"),
        b'{"a": "line\nbreak"}',
    ],
)
def test_what_is_not_plain_json_in_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        strict_json.parse(body)


@pytest.mark.parametrize("depth", [1, 16])
def test_sixteen_levels_are_allowed(depth: int) -> None:
    assert strict_json.parse(b"[" * depth + b"]" * depth) is not None


@pytest.mark.parametrize(
    "body",
    [b"[" * 17 + b"]" * 17, b'{"a":' * 17 + b"1" + b"}" * 17, b"[" * 30_000, b"[" * 30_000 + b"]" * 30_000],
    ids=["17 arrays", "17 objects", "30k open", "30k closed"],
)
def test_deep_nesting_is_refused_before_the_parser_recurses(body: bytes) -> None:
    with pytest.raises(JsonTooDeep):
        strict_json.parse(body)


@pytest.mark.parametrize("text", ["[" * 40, '\\"' + "[" * 40, "\\\\", "{" * 40 + '\\"'])
def test_brackets_in_a_string_are_no_depth(text: str) -> None:
    assert strict_json.parse(b'{"a": "' + text.encode() + b'"}')


def test_a_key_that_stands_twice_is_refused_at_any_level() -> None:
    with pytest.raises(DuplicateKey):
        strict_json.parse(b'{"a": {"b": 1, "b": 1}}')


def test_an_unterminated_string_of_escaped_quotes_costs_no_quadratic_time() -> None:
    began = time.process_time()
    with pytest.raises(InvalidJson):
        strict_json.parse(b'"' + b'\\"' * 32_000)
    assert time.process_time() - began < 1  # linear: about 1 ms; quadratic: minutes


def test_a_syntax_error_says_where_it_is_and_quotes_nothing() -> None:
    with pytest.raises(InvalidJson) as caught:
        strict_json.parse(b'{"message": secret words}')
    assert "column 13" in caught.value.message
    assert "secret" not in caught.value.message


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(_JSON)
@settings(max_examples=50)
def test_ordinary_json_comes_out_as_it_went_in(value: object) -> None:
    try:
        assert strict_json.parse(json.dumps(value).encode()) == value
    except JsonTooDeep:
        assert json.dumps(value).count("[") + json.dumps(value).count("{") > 16


@given(
    st.binary(max_size=200)
    | st.text(alphabet='{}[]",:\\ea1-.0NI\ud800', max_size=60).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
)
def test_no_bytes_raise_anything_but_the_three_errors(body: bytes) -> None:
    with contextlib.suppress(InvalidJson, JsonTooDeep, DuplicateKey):
        strict_json.parse(body)
