"""docs/sandbox.md says what the code does."""

from __future__ import annotations

import pathlib

import pytest

from tts_service.sandbox.control import describe
from tts_service.sandbox.faults import SURFACES, TABLE
from tts_service.sandbox.keys import DIALECTS

DOCUMENT = pathlib.Path(__file__).parents[2].joinpath("docs", "sandbox.md").read_text()


@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: fault.name)
def test_every_fault_is_in_the_document_as_the_code_has_it(fault):
    row = {name: text.replace("|", r"\|") for name, text in describe(fault).items()}
    on = "all" if len(fault.surfaces) == len(SURFACES) else row["surfaces"]

    assert f"| `{row['spec']}` | {on} | {row['says']} |" in DOCUMENT


def test_the_document_has_no_fault_that_the_code_lacks():
    faults = DOCUMENT.split("| Fault | On |")[1].split("\n\n")[0]

    assert faults.count("\n| `") == len(TABLE)


def test_every_surface_and_every_kind_of_key_is_in_the_document():
    for name, what in SURFACES.items():
        assert f"| `{name}` | `{what}` |" in DOCUMENT
    for prefix in DIALECTS:
        assert f"| `{prefix}` |" in DOCUMENT
