"""What `GET /api/clients` may be asked for: a query string turned into checked values. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from werkzeug.datastructures import MultiDict

from tts_service.clients.listing import DEFAULT_LIMIT, MAX_LIMIT
from tts_service.errors import InvalidValue, UnknownField

_PARAMETERS = ("search", "limit", "cursor")


@dataclass(frozen=True)
class ListingRequest:
    search: str
    limit: int
    cursor: str


def read(query: MultiDict[str, str]) -> ListingRequest:
    """Raises UnknownField and InvalidValue: a misspelt search must not look like one that found all."""
    for name, values in query.lists():
        if name not in _PARAMETERS:
            raise UnknownField(f"The query may hold {', '.join(_PARAMETERS)}, and nothing else.")
        if len(values) > 1:
            raise InvalidValue(f"{name} may stand in the query once.", param=name)
    return ListingRequest(query.get("search", ""), _limit(query.get("limit")), query.get("cursor", ""))


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise InvalidValue(f"limit must be a whole number from 1 to {MAX_LIMIT}.", param="limit")
    return int(text)
