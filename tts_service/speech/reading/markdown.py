"""Inline Markdown in words: markdown-it parses a sentence, this walks its tokens. Pure."""

from __future__ import annotations

import re
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from tts_service.speech.reading import maths, spans, symbols
from tts_service.speech.reading.sentences import CJK


class _AnyReference(dict[str, Any]):
    """Every `[text][label]` is a link: its definition comes too late to wait for, and is not said anyway."""

    def get(self, key: str, default: Any = None) -> Any:
        return {"href": "", "title": ""}


def _maths_rule(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    end = spans.maths_end(state.src, state.pos, final=True)
    opener = 1 if state.src[state.pos + 1 : state.pos + 2] not in ("$", "(", "[") else 2
    if end <= state.pos or end > state.posMax or (state.src[state.pos] == "\\" and end - state.pos <= 2):
        return False
    if not silent:
        state.push("maths", "", 0).content = state.src[state.pos + opener : end - opener]
    state.pos = end
    return True


def _url_rule(state: StateInline, silent: bool) -> bool:
    """A bare URL is one word, with the emphasis marks in its path. Called at the colon, as linkify is."""
    if not state.src.startswith("://", state.pos):
        return False
    scheme = re.search(r"(?:https?|ftp)$", state.src[: state.pos], re.IGNORECASE)
    if scheme is None or not state.pending.endswith(scheme.group()):
        return False
    url = re.compile(r"[!#-;=?-~\u00C0-\u024F]+").match(state.src, scheme.start(), state.posMax)
    if url is None or url.end() <= state.pos + 3:
        return False
    whole = url.group()
    if "](" in state.src[state.pos :] and whole.count("]") > whole.count("["):
        whole = whole[: whole.index("]")]
    kept = symbols.trimmed_url(whole)
    if not silent:
        state.pending = state.pending[: -len(scheme.group())]
        state.push("text", "", 0).content = symbols.domains(kept)
    state.pos += len(kept) - len(scheme.group())
    return True


def _drop_lone_marks(state: StateInline) -> None:
    """An emphasis mark whose partner stands in another sentence, or nowhere, is not said. A star between two
    figures or letters is kept."""
    for delimiters in (state.delimiters, *(meta["delimiters"] for meta in state.tokens_meta if meta)):
        for delimiter in delimiters:
            token = state.tokens[delimiter.token]
            lone_star = (
                delimiter.length == 1 and delimiter.marker == 0x2A and delimiter.open and delimiter.close
            )
            if token.type == "text" and (delimiter.open or delimiter.close) and not lone_star:
                token.content = ""


_parser = MarkdownIt("commonmark").enable("strikethrough")
_parser.inline.ruler.before("escape", "maths", _maths_rule)
_parser.inline.ruler.before("escape", "url", _url_rule)
_parser.inline.ruler2.before("fragments_join", "lone_marks", _drop_lone_marks)
_tables = MarkdownIt("commonmark").enable("table")

_CITED = re.compile(
    r"\s*(?:【[^】\n]*(?:†|source)[^】\n]*】|\ue200[^\ue201]*\ue201|\[\^[^\]]+\]|<\|[\w ]*\|>)"
)
_ASIDE = re.compile(
    r"\s*" + spans.ASIDE.pattern.removesuffix(r"|\[)") + r"[^()（）]*(?:\([^()]*\)[^()（）]*)*[)）]"
    r"|(?:\[[^\]]*\]\([^()\s]*(?:\([^()]*\))?[^()]*\)[\s,;、]*)+[)）])",
    re.IGNORECASE,
)
_REFERENCE_NUMBER = re.compile(r"\[?\s*(?:\^.*|\d{1,3}(?:\s*[-–,]\s*\d{1,3})*)\s*\]?")
_DOUBLE_BRACKETS = re.compile(r"\[\[([^\[\]]*)\]\](?=\()")
_FACTOR = re.compile(r"(?<=[\d)])\*(?=[\d(])")
_FILE_NAME = re.compile(r"\S+\.(?:png|jpe?g|gif|svg|webp)|image|img", re.IGNORECASE)
# Letters, figures and marks that Markdown gives no meaning: most sentences, and a tenth of a parser's time.
_PLAIN = re.compile(r"[A-Za-z0-9 ,.!?';]+")
_SPACES = re.compile(r"[\s\u00a0\u202f]+")


def words(source: str, language: str) -> str:
    """What a voice says for one sentence of Markdown; empty when nothing of it can be said."""
    if _PLAIN.fullmatch(source):
        return _spaced(source)
    source = _CITED.sub("", _ASIDE.sub("", source)).strip()
    source = _FACTOR.sub(maths.FACTOR, source)
    source = _DOUBLE_BRACKETS.sub(r"[\1]", source)
    tokens = _parser.inline.parse(source, _parser, {"references": _AnyReference()}, [])
    said = symbols.arrows(symbols.printable(_walk(tokens, language)))
    return _spaced(symbols.without_emoji(said))


def row(header: str, marks: str, line: str) -> list[tuple[str, str]] | None:
    """A table's row as (heading, cell) sources; None when `header` and `marks` make no table."""
    tokens = _tables.parse(f"{header}\n{marks}\n{line}")
    if not tokens or tokens[0].type != "table_open":
        return None
    heads = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "th_open"]
    cells = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "td_open"]
    return list(zip(heads, cells, strict=False)) if cells else []


def _walk(tokens: list[Token], language: str) -> str:
    said: list[str] = []
    links: list[int] = []  # where in `said` the links now open began
    for token in tokens:
        if token.type == "link_open":
            links.append(len(said))
        elif token.type == "link_close":
            begun = links.pop()
            text = "".join(said[begun:])
            said[begun:] = [] if _REFERENCE_NUMBER.fullmatch(text) else [_as_link(text)]
        else:
            said.append(_word(token, language))
    return "".join(said)


def _as_link(text: str) -> str:
    return symbols.url_host(text) or text


def _word(token: Token, language: str) -> str:
    match token.type:
        case "text" | "text_special":
            return maths.squares(symbols.domains(token.content), language)
        case "code_inline":
            return symbols.domains(token.content.replace(maths.FACTOR, "*"))
        case "html_inline" if token.content.lower().startswith("<br"):
            return ", "
        case "softbreak" | "hardbreak":
            return "\n"
        case "maths":
            return maths.words(token.content, language)
        case "image":
            alt = _walk(token.children or [], language)
            return "" if _FILE_NAME.fullmatch(alt.strip()) else alt
        case _:
            return ""


def _spaced(said: str) -> str:
    said = re.sub(rf"(?<=[{CJK}])\s*\n\s*(?=[{CJK}])", "", said)
    said = _SPACES.sub(" ", said)
    said = re.sub(r"\s+(?=[,.。，、！？；：)\]])(?![.]\w)", "", said)
    said = re.sub(r"(?:(?<=\s)|^)(?:[(（]\s*[)）]|\[\s*\])|,(?=[.,;:!?])", "", said)
    return _SPACES.sub(" ", re.sub(r"\s+(?=[,.])(?![.]\w)", "", said)).strip()
