"""What the sandbox's model says: a handful of rules, the same words every time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Message = tuple[str, str]
"""(role, text)"""

_NAME = re.compile(r"\bmy name is ([^\W\d_][\w'’-]{0,30})", re.IGNORECASE)
_SAY = re.compile(r"\A(?:Say|Repeat): (.*)\Z", re.DOTALL)

_HOURS = (
    "We are open **Monday to Friday, 9 am to 6 pm**, and Saturday until noon. "
    "On Sunday the shop rests, but you can still write to us here."
)
_PRICES = (
    "There are three plans:\n\n"
    "- **Starter**: free, for trying things out\n"
    "- **Team**: 19 dollars a month\n"
    "- **Company**: let us talk\n\n"
    "Every plan comes with the voice you are hearing. "
    "The details are on [the price page](https://example.com/prices)."
)
_HELP = (
    "I can tell you about our **opening hours**, our **prices**, or a **delivery**. "
    "I also remember your name if you tell me."
)
_DELIVERY = "Orders leave the same day if they reach us before 2 pm, and arrive within two days."
_GREETING = "Hello! I am the demo assistant. Ask me about our opening hours or our prices."
_THANKS = "You are welcome! Is there anything else I can do for you?"
_WHO = (
    "I am the sandbox: a stand-in for a language model, running on this computer with no account. "
    "Change one setting and a real model answers in my place."
)


def reply_to(messages: Sequence[Message]) -> str:
    """The reply to a conversation, oldest message first. Never empty."""
    question = _last_from_user(messages).strip()
    exact = _SAY.match(_last_from_user(messages))
    if exact:
        return exact.group(1)
    if not question:
        return _GREETING
    for pattern, answer in _RULES:
        if pattern.search(question):
            return answer if isinstance(answer, str) else answer(messages)
    return _fallback(question)


def _last_from_user(messages: Sequence[Message]) -> str:
    return next((text for role, text in reversed(messages) if role == "user"), "")


def _nice_to_meet(messages: Sequence[Message]) -> str:
    return f"Nice to meet you, {_name(messages)}! What can I do for you?"


def _recall(messages: Sequence[Message]) -> str:
    name = _name(messages)
    if name is None:
        return "You have not told me your name yet. What shall I call you?"
    return f"Your name is {name}. I remembered!"


def _name(messages: Sequence[Message]) -> str | None:
    told = [found for role, text in messages if role == "user" for found in _NAME.findall(text)]
    return told[-1] if told else None


def _fallback(question: str) -> str:
    words = question.split()
    heard = " ".join(words[:12]).rstrip(".,;:!?") + ("…" if len(words) > 12 else "")
    return (
        f"You asked about “{heard}”. This is the sandbox, so my knowledge is small: "
        "try our opening hours, our prices, or tell me your name."
    )


_RULES: tuple[tuple[re.Pattern[str], str | Callable[[Sequence[Message]], str]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), answer)
    for pattern, answer in (
        (r"\bwhat(?:'s|’s| is)? my name\b|\bwho am i\b", _recall),
        (_NAME.pattern, _nice_to_meet),
        (r"\b(?:open(?:ing)?|hours?|close[sd]?|closing)\b", _HOURS),
        (r"\b(?:prices?|pricing|costs?|how much|plans?)\b", _PRICES),
        (r"\b(?:deliver(?:y|ies|ed)?|ship(?:ping|ped)?|orders?)\b", _DELIVERY),
        (r"\b(?:who|what) are you\b", _WHO),
        (r"\b(?:help|what can you do)\b", _HELP),
        (r"\b(?:thanks|thank you)\b", _THANKS),
        (r"\A\W*(?:hi|hello|hey|good (?:morning|afternoon|evening)|bonjour|hola)\b", _GREETING),
    )
)
