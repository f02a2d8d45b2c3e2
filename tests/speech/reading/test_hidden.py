from __future__ import annotations

import pytest

from tts_service.speech.reading.hidden import Hidden


def shown(text: str) -> str:
    hidden = Hidden()
    return "".join([hidden.feed(char) for char in text] + [hidden.finish()])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a<think>b</think>c", "ac"),
        ("a<think>b", "a"),
        ("a<THINK >b</Think >c", "ac"),
        ("a<!-- b > c -->d", "ad"),
        ('<script src="x">b</script>c', "c"),
        ("a <thin> b <thinker> c < d", "a <thin> b <thinker> c < d"),
        ("use `<think>` and `</think>`", "use `<think>` and `</think>`"),
        ("```\n<think>\n```\n<think>x</think>y", "```\n<think>\n```\ny"),
        ("~~~\n```\n<think>\n~~~\n<think>x", "~~~\n```\n<think>\n~~~\n"),
        ("a <style>b</style> c", "a  c"),
        ("the <style> tag\n\nis here", "the  tag\n\nis here"),
        ("the <script> tag", "the  tag"),
        ("<script>\na\n\nb\n</script>c", "c"),
        ("a <", "a <"),
        ("a <think", "a <think"),
    ],
)
def test_only_what_is_hidden_is_taken_out(text: str, left: str) -> None:
    assert shown(text) == left
    hidden = Hidden()
    assert hidden.feed(text) + hidden.finish() == left


def test_text_goes_out_at_once_unless_a_tag_may_begin() -> None:
    hidden = Hidden()
    assert hidden.feed("a <b") == "a <b"
    assert hidden.feed(" <th") == " "
    assert hidden.feed("at") == "<that"
