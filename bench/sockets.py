"""What a second speech socket would buy: a reply's sentences spoken in turns on one or two sockets.

`python -m bench.sockets BASE_URL SOCKETS TURNS` prints one JSON object a turn. An experiment with the
service's own engine and model classes, outside of the service: each sentence goes out once the model has
written it, to the socket whose turn it is.
"""

from __future__ import annotations

import itertools
import json
import queue
import re
import sys
import time
from dataclasses import asdict, dataclass

from bench.contender import KEY, MODEL, SYSTEM_PROMPT, VOICE
from bench.visit import Heard
from tts_service.addresses import Reach
from tts_service.chat.completions import Said
from tts_service.chat.llm import ChatModel, ModelRoute
from tts_service.deadline import Deadline
from tts_service.dial import Dialer, Lifeline
from tts_service.secret import Secret
from tts_service.speech.engine import Engine, SpeechLimits
from tts_service.speech.realtime import RealtimeDialect
from tts_service.speech.speaking import Speaking, begin
from tts_service.speech.voice import Ended, Piece, Told, Voice
from tts_service.upstream import Upstream

_SENTENCE = re.compile(r".+?[.!?](?=\s)")
TURN_S = 30.0


@dataclass
class _Turn:
    engine: Engine
    model: ChatModel
    route: ModelRoute
    sockets: int

    def run(self) -> Heard:
        began = time.perf_counter()
        told: queue.SimpleQueue[Told] = queue.SimpleQueue()
        voices = [begin(self.engine, Voice(VOICE), self.route.key, told.put) for _ in range(self.sockets)]
        self._say_all(voices)
        return self._hear(told, began)

    def _say_all(self, voices: list[Speaking]) -> None:
        rest, turns = "", itertools.cycle(voices)
        said = [Said("system", SYSTEM_PROMPT), Said("user", "Where is my order?")]
        for part in self.model.ask(self.route, said, Deadline.after(TURN_S), Lifeline()):
            rest += part
            while found := _SENTENCE.match(rest):
                next(turns).say(found[0].strip(), Deadline.after(TURN_S))
                rest = rest[found.end() :]
        if rest.strip():
            next(turns).say(rest.strip(), Deadline.after(TURN_S))
        for voice in voices:
            voice.finish()

    def _hear(self, told: queue.SimpleQueue[Told], began: float) -> Heard:
        """The first sentence to be whole is the first that was asked for: it has the shortest way."""
        first_ms = last_ms = 0.0
        ended = 0
        while ended < self.sockets:
            event = told.get(timeout=TURN_S)
            if isinstance(event, Piece):
                last_ms = (time.perf_counter() - began) * 1000
                first_ms = first_ms or last_ms
            elif isinstance(event, Ended):
                if event.error:
                    raise SystemExit(f"bench: the engine ended: {event.error}")
                ended += 1
        return Heard(first_ms, last_ms)


def main(base_url: str, sockets: int, turns: int) -> None:
    dialer = Dialer()
    upstream = Upstream(dialer)
    engine = Engine(dialer, RealtimeDialect(base_url, "scripted"), SpeechLimits())
    route = ModelRoute(base_url, Secret(KEY), MODEL, "xai", Reach.ANYWHERE)
    turn = _Turn(engine, ChatModel(upstream), route, sockets)
    turn.run()  # the first one opens the model's connection, as for everybody
    for _ in range(turns):
        print(json.dumps(asdict(turn.run())), flush=True)
    upstream.close()
    dialer.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
