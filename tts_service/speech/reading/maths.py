r"""LaTeX maths in plain words: `$x^2$` is "x squared", `\frac{a}{b}` "a over b". Pure.

A command without a word here is said by its name, so nothing of a formula vanishes.
"""

from __future__ import annotations

import re

from tts_service.speech.reading.maths_words import COMMANDS, SIGNS, WORDS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYMBOL = re.compile(
    r"\\[a-zA-Z]+|\\.|[{}\[\]^_&]|\d+(?:[.,]\d+)*|[a-zA-Z]'*|[^\W\d_a-zA-Z]+|[^\s\w]", re.DOTALL
)
_TEXT_GROUP = re.compile(r"\\(?:text|textrm|textbf|textit|mathrm|mbox|operatorname|unit)\*?\s*\{([^{}]*)\}")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}(?:\{[^{}]*\})?")
#: Stands for a star between figures, which is no emphasis: "7*8 and 9*10".
FACTOR = "\u2217"

_SPACING = _words(r"""
    \, \; \: \! \quad \qquad \left \right \displaystyle \limits \bigl \bigr \Big \big
""")
_WRAPPERS = _words(r"""
    mathbb mathbf mathcal mathit mathsf boldsymbol bm overline underline vec hat bar tilde boxed
    cancel overrightarrow
""")
_BIG = {"sum": "sum", "int": "integral", "lim": "limit", "prod": "product"}
_FUNCTIONS = _words(r"""
    f g h F G O P sin cos tan cot sec arcsin arccos arctan log ln exp max min gcd det
""")
_BRACKETS = frozenset("()[]|")


def words(latex: str, language: str = "en") -> str:
    """What to say for `latex`, without its dollars."""
    return _Reader(latex, WORDS[language]).read()


def squares(text: str, language: str) -> str:
    """`x^2` and `2 * 3` in running text, where no dollars stand about them."""
    table = WORDS[language]
    text = _POWER.sub(lambda found: _power(table, found.group(1), found.group(2) or found.group(3)), text)
    text = re.sub(rf"(?<=[\d)])(?:\s+[*×]\s+|\s*{FACTOR}\s*)(?=[\d(])", f" {table['times']} ", text)
    text = re.sub(r"√\s*(\d+|\w\b|\([^()]*\))", lambda found: table["root"].format(a=found.group(1)), text)
    text = re.sub(r"(?<![\w~/])~(?=\d|$)", table["about"] + " ", text)
    for sign in "≤≥≠≈±":
        text = re.sub(rf"\s*{sign}\s*", f" {table[SIGNS[sign]]} ", text)
    return text


_POWER = re.compile(r"(?<![A-Za-z0-9_^])([A-Za-z0-9]+|\))\^(?:\{?(-?\w+)\}?|\((-?\w+)\))(?![\w^])")


def _power(table: dict[str, str], base: str, exponent: str) -> str:
    key = {"2": "squared", "3": "cubed"}.get(exponent, "power")
    return table[key].format(a=base, b=exponent)


class _Reader:
    """A recursive descent over the symbols of one formula."""

    def __init__(self, latex: str, table: dict[str, str]) -> None:
        self._table = table
        self._texts: list[str] = []
        latex = _ENVIRONMENT.sub(" ", latex.replace("{,}", ","))
        latex = _TEXT_GROUP.sub(self._keep_text, latex)
        self._symbols = [symbol for symbol in _SYMBOL.findall(latex) if symbol not in _SPACING]
        self._at = 0

    def _keep_text(self, group: re.Match[str]) -> str:
        self._texts.append(group.group(1).strip())
        return f"\\textkept{{{len(self._texts) - 1}}}"

    def read(self) -> str:
        parts: list[str] = []
        while self._at < len(self._symbols):
            parts.extend(self._sequence())
            self._at += 1  # a closing brace without its opening one
        return _tidy(" ".join(parts))

    def _peek(self) -> str:
        return self._symbols[self._at] if self._at < len(self._symbols) else ""

    def _next(self) -> str:
        symbol = self._peek()
        self._at += 1
        return symbol

    def _sequence(self, closer: str = "}") -> list[str]:
        parts: list[str] = []
        while self._peek() and self._peek() != closer:
            if self._peek() in "^_":
                base = parts.pop() if parts and parts[-1] != "," else ""
                parts.append(self._script(base))
            elif self._peek() == "(" and parts and parts[-1].split()[0] in _FUNCTIONS:
                parts.extend(self._argument(parts[-1]))
            else:
                parts.append(self._atom())
        return [part for part in parts if part]

    def _argument(self, function: str) -> list[str]:
        """ "f(x)" is "f of x", "sin(x)" is "sin x"."""
        self._at += 1
        inside = self._sequence(closer=")")
        self._at += 1
        return [self._table["of"] if len(function.split()[0]) == 1 else "", *inside]

    def _group(self) -> str:
        """One argument: a braced group or a single symbol."""
        if self._peek() != "{":
            return self._atom() if self._peek() else ""
        self._at += 1
        parts = self._sequence()
        self._at += 1
        return " ".join(parts)

    def _script(self, base: str) -> str:
        mark = self._next()
        script = self._group()
        if mark == "_":
            return self._table["sub"].format(a=base, b=script)
        if script in (self._table["degrees"], self._table["prime"]):
            return f"{base} {script}"
        return _power(self._table, base, script).strip()

    def _atom(self) -> str:
        symbol = self._next()
        if symbol == "{":
            self._at -= 1
            return self._group()
        if symbol.startswith("\\"):
            return self._command(symbol[1:])
        if symbol == "&" or symbol in _BRACKETS:
            return "," if symbol != "&" else ""
        if symbol in SIGNS:
            return self._table[SIGNS[symbol]]
        if symbol.endswith("'"):
            return symbol.rstrip("'") + f" {self._table['prime']}" * symbol.count("'")
        return symbol

    def _command(self, name: str) -> str:
        if name in ("frac", "dfrac", "tfrac", "cfrac"):
            above, below = self._group(), self._group()
            return self._table["over"].format(a=above, b=below)
        if name == "sqrt":
            return self._root()
        if name in _BIG:
            return self._big(self._table[_BIG[name]])
        if name in _WRAPPERS:
            return self._group()
        if name == "textkept":
            return self._texts[int(self._group())]
        if name in COMMANDS:
            return self._table[COMMANDS[name]]
        if name == "%":
            return self._table["percent"]
        if name == "\\":
            return ","
        return "" if name in "{}, ;:!" else name

    def _root(self) -> str:
        degree = ""
        if self._peek() == "[":
            self._at += 1
            while self._peek() not in ("]", ""):
                degree += self._next()
            self._at += 1
        key = {"": "root", "2": "root", "3": "cube_root"}.get(degree, "nth_root")
        return self._table[key].format(a=self._group(), b=degree)

    def _big(self, name: str) -> str:
        bounds = {"_": "", "^": ""}
        while self._peek() in ("_", "^"):
            mark = self._next()
            bounds[mark] = self._group()
        key = "from_to" if bounds["_"] and bounds["^"] else "from" if bounds["_"] else ""
        key = "as" if key and name == self._table["limit"] else key
        span = self._table[key].format(a=bounds["_"], b=bounds["^"]) if key else ""
        return f"{name} {span} {self._table['of']}"


def _tidy(said: str) -> str:
    said = re.sub(r"\s+", " ", re.sub(r"(?:\s*,)+", ",", said)).strip(" ,")
    return re.sub(r"\s+([,.;:])", r"\1", said)
