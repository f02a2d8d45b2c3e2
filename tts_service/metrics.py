"""What is counted for operators, in Prometheus' terms; `web/metrics.py` shows it.

Labels are words of closed lists, such as the codes of `errors.py`: never a client, a path or an origin, for
each new value would be kept for ever (faults T22). Where gunicorn runs several workers, the library adds
their counts up (gunicorn.conf.py, PROMETHEUS_MULTIPROC_DIR).
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

_SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60)

TURNS = Counter(
    "tts_turns", "Turns that ended, by their error's code; ok where there was a reply.", ("code",)
)
REPLY_SECONDS = Histogram("tts_reply_seconds", "From the question to the whole reply.", buckets=_SECONDS)
ATTEMPTS = Counter(
    "tts_attempts", "Replies that were to be spoken, by what came of it.", ("engine", "outcome", "code")
)
DRIFTS = Counter("tts_transcript_drift", "Pieces whose transcript was not their text.", ("engine",))
SPEECH_SECONDS = Counter("tts_speech_seconds", "Speech that was given, by where it came from.", ("source",))
DOLLARS = Counter("tts_estimated_dollars", "What turns are estimated to have cost, in US dollars.")


def attempted(engine: str, code: str | None) -> None:
    """A reply's voice has ended, by a speech_* code or well."""
    ATTEMPTS.labels(engine, "fail" if code else "ok", code or "").inc()


def turned(code: str | None, total_ms: int | None) -> None:
    """A turn has ended; `total_ms` where there was a whole reply."""
    TURNS.labels(code or "ok").inc()
    if total_ms is not None:
        REPLY_SECONDS.observe(total_ms / 1000)


def spoke(spoken_ms: int, cached_ms: int, dollars: float) -> None:
    """Speech was given, in a turn or as a greeting."""
    SPEECH_SECONDS.labels("cache").inc(cached_ms / 1000)
    SPEECH_SECONDS.labels("provider").inc((spoken_ms - cached_ms) / 1000)
    DOLLARS.inc(dollars)
