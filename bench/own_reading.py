"""CPU per MB of audio in the service's own engine, under gevent as it is served.

`python -m bench.own_reading PORT REPLIES`; compare `bench.reading`. Everything a turn does with its sound is
in it: deadlines, byte budget, frame checks, the state machine, checked base64.
"""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import queue
import sys

from bench.process import HOST
from bench.reading import best_us_per_mb
from bench.script import FIXED_BYTES
from tts_service.deadline import Deadline
from tts_service.dial import Dialer
from tts_service.secret import Secret
from tts_service.speech.engine import Engine, SpeechLimits
from tts_service.speech.pacing import Pacing
from tts_service.speech.realtime import RealtimeDialect
from tts_service.speech.speaking import begin
from tts_service.speech.voice import Ended, Piece, Told, Voice

LIMITS = SpeechLimits(max_speech_s=100_000.0)  # all replies go through one session here


def main(port: int, replies: int) -> None:
    dialer = Dialer()
    engine = Engine(dialer, RealtimeDialect(f"http://{HOST}:{port}/burst/v1", "scripted"), LIMITS)
    told: queue.SimpleQueue[Told] = queue.SimpleQueue()
    at_once = Pacing(piece_chars=1)  # a listener's pace would hold each piece back
    speaking = begin(engine, Voice("ara"), Secret("xai-benchmark"), told.put, at_once)

    def speak(text: str) -> None:
        speaking.say(text, Deadline.after(60))
        while not isinstance(event := told.get(timeout=60), Piece):
            if isinstance(event, Ended):
                raise SystemExit(f"bench: the engine ended: {event.error}")
        if len(event.pcm.data) != FIXED_BYTES:
            raise SystemExit("bench: the engine lost sound")

    print(best_us_per_mb(speak, replies))
    speaking.finish()
    dialer.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
