"""The words of mathematics in six languages. Data only: `{a}` and `{b}` stand for what is read there."""

from __future__ import annotations

_LANGUAGES = ("en", "fr", "de", "es", "zh", "ja")
_TABLE = """
plus | plus | plus | plus | más | 加 | プラス
minus | minus | moins | minus | menos | 减 | マイナス
times | times | fois | mal | por | 乘以 | かける
divided | divided by | divisé par | geteilt durch | dividido entre | 除以 | 割る
equals | equals | égale | gleich | es igual a | 等于 | イコール
unequal | is not equal to | est différent de | ungleich | es distinto de | 不等于 | ノットイコール
less | is less than | est inférieur à | kleiner als | es menor que | 小于 | 小なり
greater | is greater than | est supérieur à | größer als | es mayor que | 大于 | 大なり
at_most | is at most | est au plus | kleiner gleich | es como máximo | 小于等于 | 小なりイコール
at_least | is at least | est au moins | größer gleich | es como mínimo | 大于等于 | 大なりイコール
about | about | environ | ungefähr | aproximadamente | 约等于 | およそ
plus_minus | plus or minus | plus ou moins | plus minus | más o menos | 正负 | プラスマイナス
over | {a} over {b} | {a} sur {b} | {a} durch {b} | {a} sobre {b} | {b}分之{a} | {b}分の{a}
squared | {a} squared | {a} au carré | {a} zum Quadrat | {a} al cuadrado | {a}的平方 | {a}の2乗
cubed | {a} cubed | {a} au cube | {a} hoch drei | {a} al cubo | {a}的立方 | {a}の3乗
power | {a} to the power of {b} | {a} puissance {b} | {a} hoch {b} | {a} elevado a {b} | {a}的{b}次方 | {a}の{b}乗
root | the square root of {a} | la racine carrée de {a} | die Wurzel aus {a} | la raíz cuadrada de {a} | 根号{a} | ルート{a}
cube_root | the cube root of {a} | la racine cubique de {a} | die dritte Wurzel aus {a} | la raíz cúbica de {a} | {a}的立方根 | {a}の3乗根
nth_root | the {b}-th root of {a} | la racine {b}-ième de {a} | die {b}-te Wurzel aus {a} | la raíz {b}-ésima de {a} | {a}的{b}次方根 | {a}の{b}乗根
sub | {a} sub {b} | {a} indice {b} | {a} Index {b} | {a} sub {b} | {a}下标{b} | {a}の添字{b}
as | as {a} | quand {a} | für {a} | cuando {a} | 当{a} | {a}のとき
degrees | degrees | degrés | Grad | grados | 度 | 度
percent | percent | pour cent | Prozent | por ciento | 百分之 | パーセント
infinity | infinity | l'infini | unendlich | infinito | 无穷大 | 無限大
sum | the sum | la somme | die Summe | la suma | 求和 | 総和
integral | the integral | l'intégrale | das Integral | la integral | 积分 | 積分
limit | the limit | la limite | der Grenzwert | el límite | 极限 | 極限
product | the product | le produit | das Produkt | el producto | 连乘 | 総乗
from_to | from {a} to {b} | de {a} à {b} | von {a} bis {b} | de {a} a {b} | 从{a}到{b} | {a}から{b}まで
from | over {a} | sur {a} | über {a} | sobre {a} | 关于{a} | {a}について
to | to | vers | gegen | a | 趋于 | から
of | of | de | von | de | 的 | の
in | in | dans | in | en | 属于 | は次に属する
factorial | factorial | factorielle | Fakultät | factorial | 的阶乘 | の階乗
implies | so | donc | also | por tanto | 所以 | よって
prime | prime | prime | Strich | prima | 撇 | プライム
and_so_on | and so on | et ainsi de suite | und so weiter | y así sucesivamente | 等等 | など
"""  # noqa: E501  one row a word, one column a language
_ROWS = [[cell.strip() for cell in row.split("|")] for row in _TABLE.strip().splitlines()]

#: language -> key -> words
WORDS: dict[str, dict[str, str]] = {
    language: {row[0]: row[column] for row in _ROWS} for column, language in enumerate(_LANGUAGES, start=1)
}


def _by_name(table: str) -> dict[str, str]:
    """ "key: name name" lines as name -> key."""
    rows = (line.split(": ", 1) for line in table.strip().splitlines())
    return {name: key.strip() for key, names in rows for name in names.split()}


#: LaTeX command -> key of WORDS
COMMANDS = _by_name("""
    times: times cdot ast
    divided: div
    plus_minus: pm
    unequal: neq ne
    less: lt
    greater: gt
    at_most: le leq leqslant
    at_least: ge geq geqslant
    about: approx simeq sim
    infinity: infty
    to: to rightarrow longrightarrow
    in: in
    implies: Rightarrow implies therefore Longrightarrow
    prime: prime
    degrees: circ degree
    and_so_on: dots ldots cdots
    equals: equiv
""")

#: sign -> key of WORDS
SIGNS = _by_name("""
    plus: +
    minus: - −
    times: * × · ⋅
    divided: ÷ /
    equals: =
    unequal: ≠
    less: <
    greater: >
    at_most: ≤
    at_least: ≥
    about: ≈
    plus_minus: ±
    percent: %
    factorial: !
    infinity: ∞
    to: →
    degrees: °
    prime: '
    in: ∈
    implies: ⇒
""")
