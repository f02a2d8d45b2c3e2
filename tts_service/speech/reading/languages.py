"""Which language a text is in, as far as speech must know: to announce code, read maths, see ordinals. Pure.

A guess from short function words costs 30 us where a detector library brings a model of megabytes. A wrong
guess changes the wording of an announcement or of a formula and nothing else of weight.
"""

from __future__ import annotations

import re
from collections.abc import Callable

DEFAULT = "en"
LANGUAGES = ("en", "fr", "de", "es", "zh", "ja")
HEARD_CHARS = 600  # a guess looks back no further; a reply seldom changes its language

_KANA = re.compile(r"[\u3041-\u30ff\uff66-\uff9d]")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_WORD = re.compile(r"[^\W\d_]+")
_COMMON = {
    "en": "the and of to is you your for with it this that are on can be have not we was how",
    "fr": "le la les des et est une vous pour dans avec votre sur pas ce du au que qui il je nous voici être",
    "de": "der die das und ist nicht ein eine sie mit für von zu den im auf am ich es wir auch dem wird",
    "es": "el los las es una para con su por que del se no en como más usted al está aquí son puede hay",
}
_LANGUAGES_OF: dict[str, list[str]] = {}
for _language, _words in _COMMON.items():
    for _word in _words.split():
        _LANGUAGES_OF.setdefault(_word, []).append(_language)
_TELLING = {"ß": "de", "ä": "de", "ö": "de", "ü": "de", "ñ": "es", "¿": "es", "¡": "es", "ó": "es", "í": "es"}
_TELLING |= {"ç": "fr", "è": "fr", "ê": "fr", "à": "fr", "œ": "fr", "ù": "fr"}

_CODE_NAMES = {
    name: said
    for said, names in {
        "Python": "py python3 pycon",
        "JavaScript": "js javascript jsx mjs",
        "TypeScript": "ts typescript tsx",
        "shell": "sh bash zsh fish shell console terminal shellsession",
        "PowerShell": "powershell ps1 pwsh",
        "HTML": "html htm",
        "CSS": "css scss",
        "SQL": "sql postgresql mysql",
        "JSON": "json jsonc json5",
        "YAML": "yaml yml",
        "XML": "xml svg",
        "PHP": "php",
        "C++": "cpp c++ cc",
        "C#": "csharp cs c#",
        "Go": "go golang",
        "Rust": "rs rust",
        "Ruby": "rb ruby",
        "Kotlin": "kt kotlin",
        "Markdown": "md markdown",
        "LaTeX": "tex latex",
        "TOML": "toml",
        "GraphQL": "graphql gql",
    }.items()
    for name in names.split()
}
_UNNAMED = {"", "text", "txt", "plaintext", "plain", "output", "code", "none"}
_ANNOUNCE: dict[str, Callable[[str], str]] = {
    "en": lambda name: f"Here is some {name} code." if name else "Here is some code.",
    "fr": lambda name: f"Voici du code {name}." if name else "Voici du code.",
    "de": lambda name: f"Hier steht {name}-Code." if name else "Hier steht Code.",
    "es": lambda name: f"Aquí hay código en {name}." if name else "Aquí hay código.",
    "zh": lambda name: f"这里是一段{name}代码。",
    "ja": lambda name: f"ここに{name}のコードがあります。" if name else "ここにコードがあります。",
}


def known(language: str) -> str | None:
    """The two letters of a language tag ("fr-CA" is "fr"); None for `auto` and for languages not cut here."""
    code = language.replace("_", "-").split("-")[0].lower()
    return code if code in LANGUAGES else None


def detect(text: str) -> str:
    """The likeliest of LANGUAGES; English when nothing speaks for another."""
    han, kana = len(_HAN.findall(text)), len(_KANA.findall(text))
    words = _WORD.findall(text.lower())
    if kana + han > len(words) / 2 and kana + han > 0:
        return "ja" if kana * 10 > han else "zh"
    votes = dict.fromkeys(_COMMON, 0)
    for word in words:
        for language in _LANGUAGES_OF.get(word, ()):
            votes[language] += 2
    for char in text.lower():
        if char in _TELLING:
            votes[_TELLING[char]] += 1
    return max(votes, key=lambda language: votes[language])


class Ear:
    """Knows the language of what has been said so far; `language` fixes it."""

    def __init__(self, language: str) -> None:
        self._fixed = known(language)
        self._heard = ""

    def hear(self, text: str) -> None:
        self._heard = (self._heard + " " + text)[-HEARD_CHARS:]

    def language(self, latest: str = "") -> str:
        return self._fixed or detect(self._heard + " " + latest)


def announce_code(info: str, language: str) -> str:
    """The sentence said in place of a code block; `info` is what stands after the opening fence."""
    word = info.strip().split()[0].strip("{}.").lower() if info.strip() else ""
    name = "" if word in _UNNAMED else _CODE_NAMES.get(word, word.capitalize())
    return _ANNOUNCE[language](name if re.fullmatch(r"[\w+#.-]{0,20}", name) else "")
