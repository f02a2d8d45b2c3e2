"""The offline voice: owns libespeak-ng, which the `espeakng-loader` wheel carries.

The library keeps global C state and is not thread safe, so one lock guards it for the process
(ecosystem 1). The same text comes out a little different each time; callers cache.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pathlib
import shutil
import tempfile
import threading
from typing import Any

try:
    import espeakng_loader
except ImportError:
    espeakng_loader = None

_RETRIEVAL = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_LOUDNESS = 88  # of 200; at the default 100 the loudest vowels come within 6 % of clipping
_UTF8 = 1
# The library's path buffer is 160 bytes; "/espeak-ng-data" and a file name must fit as well.
_LONGEST_PATH = 100

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_LOCK = threading.Lock()
_started: Engine | None = None


class UnavailableError(RuntimeError):
    """There is no working espeak-ng here; the text says why."""


class Engine:
    """The one running copy of the library. Get it from `start`."""

    def __init__(self) -> None:
        if espeakng_loader is None:
            raise UnavailableError("the wheel espeakng-loader is not installed")
        try:
            self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
            self.rate_hz = _initialize(self._lib, espeakng_loader.get_data_path())
        except (OSError, RuntimeError) as error:
            raise UnavailableError(f"libespeak-ng does not start: {error}") from error
        self._parts: list[bytes] = []
        self._callback = _CALLBACK(self._collect)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_Info.restype = ctypes.c_char_p
        self.version = self._lib.espeak_Info(None).decode("ascii", "replace").split()[0]

    def synthesize(
        self, text: str, voice: str, *, words_per_minute: int, pitch: int, pitch_range: int
    ) -> bytes:
        """PCM s16 at `rate_hz`. Raises UnavailableError for a voice name the data lacks."""
        encoded = text.replace("\0", " ").encode("utf-8", "replace") + b"\0"
        settings = (
            (_RATE, words_per_minute),
            (_VOLUME, _LOUDNESS),
            (_PITCH, pitch),
            (_RANGE, pitch_range),
        )
        with _LOCK:
            self._parts = []
            if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
                raise UnavailableError(f"espeak-ng has no voice {voice!r}")
            for name, value in settings:
                self._lib.espeak_SetParameter(name, value, 0)
            self._lib.espeak_Synth(encoded, len(encoded), 0, 1, 0, _UTF8, None, None)
            self._lib.espeak_Synchronize()
            return b"".join(self._parts)

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._parts.append(ctypes.string_at(samples, count * 2))
        return 0


def start() -> Engine:
    """The engine of this process, started at the first call. Raises UnavailableError."""
    global _started
    with _LOCK:
        if _started is None:
            _started = Engine()
        return _started


def _initialize(lib: ctypes.CDLL, data_path: str) -> int:
    lib.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    rate_hz = int(lib.espeak_Initialize(_RETRIEVAL, 0, os.fsencode(short_path(data_path)), 0))
    # Over its limit the library returns 0 and looks for its builder's own path (ecosystem 1).
    if rate_hz <= 0:
        raise UnavailableError(f"espeak_Initialize returned {rate_hz} for its data")
    return rate_hz


def short_path(data_path: str) -> str:
    """That folder, by way of a link in the temporary folder when its path is too long for C."""
    if len(os.fsencode(data_path)) <= _LONGEST_PATH:
        return data_path
    folder = tempfile.mkdtemp(prefix="espeak-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    link = pathlib.Path(folder, "espeak-ng-data")
    link.symlink_to(data_path, target_is_directory=True)
    return str(link)
