"""Signs that are not words: emoji dropped, URLs as their domain, arrows and operators as words. Pure."""

from __future__ import annotations

import re

# Unicode 17's Extended_Pictographic lies in these blocks, and so do flags, skin tones, dingbats and shapes,
# none of which a voice should name. The signs (c), (R), TM are words to a reader and stay.
_PICTURE = (
    r"[\U0001F000-\U0001FAFF\U0001FC00-\U0001FFFD\u2300-\u23FF\u25A0-\u27BF\u2B00-\u2BFF\u2139\u24C2\u3030\u303D"
    r"\u2934\u2935]|[\u3297\u3299\u00A9\u00AE\u2122\u2194-\u21AA]\uFE0F|[0-9#*]\uFE0F?\u20E3"
)
_MODIFIER = r"[\uFE0E\uFE0F\u200D\u20E3\U0001F3FB-\U0001F3FF\U000E0020-\U000E007F]"
_EMOJI = rf"(?:(?:{_PICTURE}){_MODIFIER}*)"
_STARTS_WITH_EMOJI = re.compile(_EMOJI)
_EMOJI_RUN = re.compile(rf"\s*(?:{_EMOJI}\s*)+")
_STRAY_MODIFIER = re.compile("[\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f\u200b\u2060\ufeff\u00ad]")
_EMOTICON = re.compile(r"(?<!\S)(?:[:;]['-]?[)(DP]|[xX]D|:[a-z][a-z0-9_+-]{1,30}:)(?=[\s.,!?]|$)")

_URL = re.compile(
    r"(?:(?:https?|ftp)://(?:[^\s/@<>]*@)?|www\.)([\w.-]*\w(?::\d+)?|\[[0-9a-fA-F:]+\])"
    r"(?:[/?#][!#-;=?-~\u00C0-\u024F]*)?",
    re.ASCII | re.IGNORECASE,
)
# Without a scheme only what ends like a site: "Node.js/Express" is no address.
_SITES = "com|org|net|edu|gov|int|info|biz|io|ai|app|dev|co|me|tv|shop|store|online|site|example|test"
_SITES += "|eu|uk|us|ca|au|nz|de|at|ch|fr|be|es|mx|ar|it|pt|br|nl|pl|se|no|dk|fi|ie|cz|jp|cn|hk|tw|kr|sg|ru"
_MAILTO = re.compile(r"(?i)\bmailto:(?=[^\s@]+@)")
_BARE_PATH = re.compile(
    rf"(?<![\w/@.~-])((?:[a-z0-9-]+\.)+(?:{_SITES})(?::\d+)?)/(?:[!#-;=?-~]*[\w/=])?", re.ASCII
)
_TRAILING = ".,;:!?'\"*_~`$)]}"

_ARROW = re.compile(
    r"\s*(?:[\u2190-\u21FF\u27F0-\u27FF\u2794\u2798-\u27AF\u27B1-\u27BE\u2B05-\u2B07]\uFE0F?|(?<=\s)(?:->|=>|-->|==>)(?=\s))\s*"
)
_CJK_BEFORE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
_CRUMB = re.compile(r"(?:(?<=[^\W\d_]{2})|(?<=\w\)))\s+>\s+(?=[A-ZÀ-Þ]\w|[\u3040-\u9fff])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ue000-\uf8ff]")
_DOUBLE_MARK = {"\u203c": "!!", "\u2047": "??", "\u2048": "?!", "\u2049": "!?"}


def starts_with_emoji(text: str) -> bool:
    return _STARTS_WITH_EMOJI.match(text) is not None


def without_emoji(text: str) -> str:
    for mark, plain in _DOUBLE_MARK.items():
        text = text.replace(mark, plain)
    text = _EMOJI_RUN.sub(_in_place_of_emoji, text)
    return _EMOTICON.sub("", _STRAY_MODIFIER.sub("", text))


def _in_place_of_emoji(run: re.Match[str]) -> str:
    behind = run.string[run.end() : run.end() + 1]
    return "" if behind in ".,!?;:)]。，！？；：、）" else " "


def domains(text: str) -> str:
    """Every URL replaced by its host, without "www."; a voice says "example.com" in its own language.
    Of mailto: the address is left.
    """
    return _BARE_PATH.sub(_host_of, _URL.sub(_host_of, _MAILTO.sub("", text)))


def url_host(text: str) -> str | None:
    """The host when `text` is one URL and nothing else."""
    found = _URL.fullmatch(text) or _BARE_PATH.fullmatch(text)
    return re.sub("^www\\.", "", found.group(1)) if found else None


def trimmed_url(url: str) -> str:
    """Without the marks behind it that belong to the sentence."""
    kept = url.rstrip(_TRAILING)
    return kept + ")" if kept.count("(") > kept.count(")") and url[len(kept) :].startswith(")") else kept


def _host_of(url: re.Match[str]) -> str:
    kept = trimmed_url(url.group())
    return re.sub("^www\\.", "", url.group(1).rstrip(".")) + url.group()[len(kept) :]


def arrows(text: str) -> str:
    """ "Settings -> Wi-Fi" and "Settings > Wi-Fi" become "Settings, Wi-Fi": the sign means a pause."""
    return _CRUMB.sub(", ", _ARROW.sub(_pause, text))


def _pause(arrow: re.Match[str]) -> str:
    return "、" if _CJK_BEFORE.match(arrow.string[arrow.start() - 1 : arrow.start()]) else ", "


def printable(text: str) -> str:
    return _CONTROL.sub(" ", text)
