"""Who may import whom (house.md), read from the source: values flow left to right, nothing calls back up."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "tts_service"
ROOT = Path(__file__).parents[1] / PACKAGE
MODULES = {
    ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}

# Part of the package: (parts of ours it may import, libraries it may import). The standard library is free.
GROUND = {
    "errors",
    "deadline",
    "secret",
    "retry",
    "threads",
    "aside",
    "version",
    "logs",
    "addresses",
    "refusals",
    "metrics",
}
MAY_IMPORT: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "deadline": (set(), set()),
    "secret": (set(), set()),
    "retry": (set(), set()),
    "threads": (set(), set()),
    "aside": (set(), {"gevent"}),
    "metrics": (set(), {"prometheus_client"}),
    "version": (set(), set()),
    "addresses": (set(), set()),
    "refusals": ({"errors"}, set()),
    "logs": (set(), {"orjson"}),
    "settings": ({"secret"}, {"limits"}),
    "dial": ({"deadline", "addresses"}, {"certifi"}),
    "speech": (
        GROUND | {"dial", "upstream", "shared_memory"},
        {"pybase64", "orjson", "websocket", "markdown_it", "lameenc"},
    ),
    "upstream": (GROUND | {"dial"}, {"requests", "urllib3", "orjson"}),
    "database": (GROUND | {"settings"}, {"sqlalchemy", "alembic"}),
    "clients": (GROUND | {"dial", "database"}, {"sqlalchemy", "cryptography"}),
    "accounts": (GROUND | {"database"}, {"sqlalchemy", "werkzeug"}),
    "usage": (GROUND | {"database"}, {"sqlalchemy"}),
    "chat": (
        GROUND | {"dial", "upstream", "speech", "clients", "usage", "shared_memory"},
        {"orjson"},
    ),
    "web": (
        GROUND
        | {"chat", "clients", "accounts", "usage", "database", "settings", "shared_memory"}
        | {"speech.audio", "speech.mp3", "speech.roster"},
        {
            "flask",
            "werkzeug",
            "gunicorn",
            "itsdangerous",
            "limits",
            "orjson",
            "prometheus_client",
            "pybase64",
        },
    ),
    "sandbox": (set(), {"aiohttp", "orjson", "espeakng_loader", "lameenc"}),
    "shared_memory": (GROUND | {"settings"}, {"redis"}),
    "assembly": (
        GROUND
        | {"dial", "upstream", "settings", "speech", "database", "clients", "usage", "chat"}
        | {"shared_memory"},
        set(),
    ),
    "app": (
        GROUND
        | {"dial", "upstream", "settings", "database", "clients", "accounts", "usage", "chat", "web"}
        | {"assembly", "shared_memory"},
        {"flask", "werkzeug"},
    ),
    "cli": (
        GROUND
        | {"dial", "upstream", "settings", "speech", "database", "clients", "accounts", "chat", "sandbox"}
        | {"assembly"},
        {"click", "requests"},
    ),
    "": ({"app", "version"}, set()),
}

# Whoever owns an outside thing owns its library.
HOMES = {
    "websocket": {"speech.connection", "speech.tts"},
    "requests": {"upstream", "cli.demo"},
    "urllib3": {"upstream"},
    "sqlalchemy": {"database", "clients", "accounts", "usage"},
    "flask": {"web", "app"},
    "certifi": {"dial"},
    "cryptography": {"clients.sealing"},
    "redis": {"shared_memory"},
    "gevent": {"aside"},
}

# Every place a key may leave us, or be looked at.
MAY_REVEAL = {
    "upstream",
    "speech.connection",
    "clients.sealing",
    "clients.fields",
    "web.dashboard.csrf",
    "web.previews",
}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def imports(module: str) -> Iterator[str]:
    """Full names: of the module where one of ours is meant, of the library otherwise."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def own(module: str) -> str:
    """`chat.turn` for `tts_service.chat.turn`; empty for the package itself."""
    return module.removeprefix(PACKAGE).removeprefix(".")


def stands_in(name: str, places: set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    part = own(module).split(".")[0]
    assert part in MAY_IMPORT, f"{part} has no place in the house yet: give it one in MAY_IMPORT"
    ours, libraries = MAY_IMPORT[part]
    for name in imports(module):
        library = name.split(".")[0]
        if library == PACKAGE:
            target = own(name)
            assert target.split(".")[0] == part or stands_in(target, ours), f"{module} imports {name}"
        elif library not in sys.stdlib_module_names:
            assert library in libraries, f"{module} imports {library}"
            assert stands_in(own(module), HOMES.get(library, {part})), f"{library} has another home"


def test_there_are_no_cycles() -> None:
    graph = {module: {name for name in imports(module) if name in MODULES} - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_says_what_it_is_and_hides_nothing(module: str) -> None:
    assert ast.get_docstring(tree(module)), "no docstring"
    for function in ast.walk(tree(module)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                assert not isinstance(node, ast.Import | ast.ImportFrom), (
                    f"{function.name} imports when called"
                )
    names = {node.attr for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    assert "enableTrace" not in names, "it prints every header, keys included"
    if "reveal" in names:
        assert stands_in(own(module), MAY_REVEAL), "a key is revealed in a place that is not listed"


def test_the_list_of_places_that_reveal_a_key_has_no_stale_entry() -> None:
    for place in MAY_REVEAL:
        assert ".reveal()" in MODULES[f"{PACKAGE}.{place}"].read_text(), place
