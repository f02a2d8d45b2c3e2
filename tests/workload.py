"""How the tests are dealt out to the workers of pytest-xdist.

A file stays on one worker, with the servers it shares. So do the files that share what is dear to start, a
browser or two gunicorns: it is started once, and not by every worker. What takes longest begins first: begun
last it would be what everybody waits for.
"""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

_UNITS = {
    "pages": r"tests/browser/test_(?!widget)",
    "widget": r"tests/browser/test_widget",
    "gunicorn": r"tests/web/test_(admin|body|chat|cors|health|metrics|pages|problems)\.py",
}
_LONGEST = (
    *_UNITS,
    "tests/web/test_openapi.py",
    "tests/speech/test_tts.py",
    "tests/speech/test_realtime_faults.py",
    "tests/speech/test_spoken.py",
    "tests/cli/test_clients.py",
    "tests/cli/test_demo.py",
    "tests/sandbox/test_fault_effects.py",
)


def unit_of(nodeid: str) -> str:
    """What is run by one worker: a group of files, or a file."""
    file = nodeid.partition("::")[0]
    return next((name for name, files in _UNITS.items() if re.match(files, file)), file)


def rank(nodeid: str) -> int:
    """Lower begins earlier; equal ones stay in their order."""
    unit = unit_of(nodeid)
    return _LONGEST.index(unit) if unit in _LONGEST else len(_LONGEST)


class Units(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
