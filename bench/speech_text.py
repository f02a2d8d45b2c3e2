"""What to say: this project's reader beside the libraries for it. `python -m bench.speech_text`

Wants three packages the project does not depend on: `uv pip install sentencex pysbd mistune`.
Prints two tables: sentence ends, and Markdown in words. docs/speech-text.md discusses them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import mistune
import pysbd
import sentencex
from markdown_it import MarkdownIt

from tts_service.speech.reading.languages import announce_code
from tts_service.speech.spoken import SpokenText

CORPUS = Path(__file__).parent.parent / "tests" / "speech" / "corpus"
LANGUAGES = ("en", "fr", "de", "es", "zh", "ja")
LONG_CHARS = 250  # a longer item was cut by the rule for long sentences, which no other splitter has
REPLY_CHARS = 20_000


@dataclass(frozen=True)
class Case:
    file: str
    language: str
    text: str
    expected: list[str]


def cases() -> list[Case]:
    found = []
    for path in sorted(CORPUS.glob("*.txt")):
        for block in re.split(r"(?m)^@@ ", path.read_text(encoding="utf-8"))[1:]:
            head, _, body = block.partition("\n")
            text = re.split(r"(?m)^@> ", body)[0].rstrip("\n").replace("\u2420", " ")
            found.append(Case(path.stem, head.split(" | ")[1], text, re.findall(r"(?m)^@> (.*)$", body)))
    return found


def plain(case: Case) -> bool:
    """Whether a case is nothing but sentences: what is said is what is written."""
    same = "".join("".join(case.expected).split()) == "".join(case.text.split())
    return same and "\n\n" not in case.text and max(map(len, case.expected), default=0) < LONG_CHARS


# Sentence ends.


def ours(text: str, language: str) -> list[str]:
    spoken = SpokenText(language)
    return spoken.feed(text) + spoken.finish()


def by_sentencex(text: str, language: str) -> list[str]:
    return list(sentencex.segment(language, text))


def by_pysbd(text: str, language: str) -> list[str]:
    return list(pysbd.Segmenter(language=language, clean=False).segment(text))


def by_regex(text: str, _: str) -> list[str]:
    return re.split(r"(?<=[.!?…])\s+|(?<=[。！？])", text)


SPLITTERS: dict[str, Callable[[str, str], list[str]]] = {
    "this project": ours,
    "sentencex 1.0": by_sentencex,
    "pysbd 0.3": by_pysbd,
    "regex": by_regex,
}


def stripped(sentences: Iterable[str]) -> list[str]:
    return [" ".join(sentence.split()) for sentence in sentences if sentence.strip()]


def sentence_table(corpus: list[Case]) -> None:
    chosen = [case for case in corpus if plain(case)]
    unseen = [case for case in chosen if case.file.startswith("unseen")]
    prose = (" ".join(case.text for case in chosen if case.language == "en") + " ") * 40
    prose = prose[: REPLY_CHARS * 5]
    print(f"Sentence ends: {len(chosen)} cases of plain prose, {len(unseen)} of them unseen at first\n")
    print("| | correct | " + " | ".join(LANGUAGES) + " | of the unseen | MB/s |")
    print("|---|" + "---:|" * (len(LANGUAGES) + 3))
    for name, split in SPLITTERS.items():
        right = [
            case for case in chosen if stripped(split(case.text, case.language)) == stripped(case.expected)
        ]
        each = [
            f"{sum(case.language == of for case in right)}/{sum(case.language == of for case in chosen)}"
            for of in LANGUAGES
        ]
        late = sum(case in unseen for case in right)
        begun = time.process_time()
        split(prose, "en")
        speed = len(prose) / (time.process_time() - begun) / 1e6
        print(f"| {name} | {len(right)} | {' | '.join(each)} | {late} | {speed:.2f} |")


# Markdown in words, by the shortest honest program around each parser.

_MARKDOWN_IT = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_MISTUNE = mistune.create_markdown(
    renderer="ast", plugins=["table", "strikethrough", "footnotes", "task_lists"]
)


def by_markdown_it(text: str, language: str) -> str:
    said: list[str] = []
    heads: list[str] = []
    cell = 0
    for token in _MARKDOWN_IT.parse(text):
        if token.type in ("fence", "code_block"):
            said.append(announce_code(token.info, language))
        elif token.type == "thead_open":
            heads = []
        elif token.type == "tr_open":
            cell = 0
        elif token.type == "list_item_open" and token.info:
            said.append(token.info + ".")
        elif token.type == "inline":
            words = "".join(_inline_words(token.children or []))
            if token.level and heads is not None and said and said[-1] == "<th>":
                heads.append(words)
                said[-1] = ""
                continue
            if said and said[-1] == "<td>":
                words = f"{heads[cell]}: {words}," if words and cell < len(heads) else words
                said[-1] = ""
                cell += 1
            said.append(words)
        elif token.type in ("th_open", "td_open"):
            said.append(f"<{token.type[:2]}>")
    return " ".join(said)


def _inline_words(tokens: list) -> Iterable[str]:  # type: ignore[type-arg]
    for token in tokens:
        if token.type in ("text", "code_inline"):
            yield re.sub(r"https?://(?:www\.)?([^\s/)]+)\S*", r"\1", token.content)
        elif token.type in ("softbreak", "hardbreak"):
            yield " "
        elif token.type == "image":
            yield token.content


def by_mistune(text: str, language: str) -> str:
    return " ".join(_mistune_words(_MISTUNE(text), language))  # type: ignore[arg-type]


def _mistune_words(nodes: list[dict], language: str) -> Iterable[str]:  # type: ignore[type-arg]
    for node in nodes:
        kind, children = node["type"], node.get("children", [])
        if kind == "block_code":
            yield announce_code(node.get("attrs", {}).get("info") or "", language)
        elif kind == "table":
            yield from _mistune_rows(children, language)
        elif kind == "list":
            for number, item in enumerate(children, start=node["attrs"].get("start", 1)):
                label = f"{number}. " if node["attrs"]["ordered"] else ""
                yield label + " ".join(_mistune_words(item["children"], language))
        elif kind in ("text", "codespan"):
            yield re.sub(r"https?://(?:www\.)?([^\s/)]+)\S*", r"\1", node["raw"])
        elif kind in ("softbreak", "linebreak"):
            yield " "
        elif kind not in ("block_html", "inline_html", "footnotes", "footnote_ref"):
            yield "".join(_mistune_words(children, language))


def _mistune_rows(table: list[dict], language: str) -> Iterable[str]:  # type: ignore[type-arg]
    heads = ["".join(_mistune_words(cell["children"], language)) for cell in table[0]["children"]]
    for row in table[1]["children"] if len(table) > 1 else []:
        cells = ["".join(_mistune_words(cell["children"], language)) for cell in row["children"]]
        yield ", ".join(f"{head}: {cell}" for head, cell in zip(heads, cells, strict=False) if cell)


def by_stripping(text: str, language: str) -> str:
    text = re.sub(
        r"```(\w*)\n.*?(?:```|\Z)", lambda code: announce_code(code[1], language), text, flags=re.DOTALL
    )
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://(?:www\.)?([^\s/)]+)\S*", r"\1", text)
    text = re.sub(r"<[^>]+>", "", text)
    return re.sub(r"[*_`#>|~]|^\s*[-+]\s", " ", text, flags=re.MULTILINE)


def by_us(text: str, language: str) -> str:
    return " ".join(ours(text, language))


READERS: dict[str, Callable[[str, str], str]] = {
    "this project, streaming": by_us,
    "markdown-it-py 4, whole": by_markdown_it,
    "mistune 3, whole": by_mistune,
    "regexes, whole": by_stripping,
}


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def wanted(case: Case) -> list[str]:
    return words(" ".join(case.expected))


def markdown_table(corpus: list[Case]) -> None:
    groups = ("markdown", "unspoken", "maths", "replies", "unseen")
    chosen = [case for case in corpus if not plain(case) and case.file != "sentences"]
    reply = "\n\n".join(case.text for case in corpus if case.file == "replies") * 4
    reply = reply[:REPLY_CHARS]
    print(
        f"\nMarkdown in words: {len(chosen)} cases; right when the words are, whatever marks stand between\n"
    )
    print("| | correct | " + " | ".join(groups) + " | ms for 20,000 characters |")
    print("|---|" + "---:|" * (len(groups) + 2))
    for name, read in READERS.items():
        right = [case for case in chosen if words(read(case.text, case.language)) == wanted(case)]
        each = [
            "/".join(str(sum(case.file.startswith(of) for case in some)) for some in (right, chosen))
            for of in groups
        ]
        begun = time.process_time()
        read(reply, "en")
        spent_ms = (time.process_time() - begun) * 1000
        print(f"| {name} | {len(right)} | {' | '.join(each)} | {spent_ms:.0f} |")
    _streaming_cost(reply)


def _streaming_cost(reply: str) -> None:
    spoken = SpokenText()
    begun = time.process_time()
    for char in reply:
        spoken.feed(char)
    spoken.finish()
    here_ms = (time.process_time() - begun) * 1000
    begun = time.process_time()
    for end in range(0, len(reply), 100):
        _MARKDOWN_IT.parse(reply[:end])
    anew_ms = (time.process_time() - begun) * 1000 * 100
    print(
        f"\nThe same reply character by character: {here_ms:.0f} ms; parsed anew at each by markdown-it-py:"
    )
    print(f"{anew_ms / 1000:.0f} s (every hundredth measured).")


def main() -> None:
    corpus = cases()
    sentence_table(corpus)
    markdown_table(corpus)


if __name__ == "__main__":
    main()
