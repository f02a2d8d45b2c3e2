"""Settings become the parts that speak and answer; the service and the command line share them."""

from __future__ import annotations

from tts_service.chat.budget import DailyBudget
from tts_service.chat.cost import Prices
from tts_service.chat.history import Histories
from tts_service.chat.llm import ChatModel
from tts_service.chat.route import Provider, Providers
from tts_service.chat.shared_history import SharedHistories
from tts_service.chat.turn import Budgets, Composer
from tts_service.clients.spending import Spending
from tts_service.dial import Dialer
from tts_service.settings import Settings
from tts_service.shared_memory import SharedMemory
from tts_service.speech.cache import SpeechCache
from tts_service.speech.engine import Engine, SpeechLimits
from tts_service.speech.realtime import RealtimeDialect
from tts_service.speech.roster import Roster
from tts_service.speech.tts import TtsDialect
from tts_service.upstream import Upstream
from tts_service.usage.turn import Record


def open_roster(settings: Settings, upstream: Upstream) -> Roster:
    return Roster(upstream, settings.xai_base_url)


def open_engines(settings: Settings, dialer: Dialer, shared: SharedMemory | None = None) -> dict[str, Engine]:
    """By the name in a client's `speech_engine`. They share a cache, and each is the other's second."""
    limits = SpeechLimits(settings.max_speech_s, settings.max_concurrent_speech)
    cache = SpeechCache(int(settings.speech_cache_mb * 1024 * 1024), shared)
    realtime = Engine(dialer, RealtimeDialect(settings.xai_base_url, settings.xai_voice_model), limits, cache)
    tts = Engine(dialer, TtsDialect(settings.xai_base_url), limits, cache)
    realtime.second, tts.second = tts, realtime
    return {"realtime": realtime, "tts": tts}


def open_composer(
    settings: Settings,
    dialer: Dialer,
    upstream: Upstream,
    spending: Spending,
    record: Record,
    shared: SharedMemory | None = None,
) -> Composer:
    """`shared`: what several instances remember together; None where there is one."""
    return Composer(
        model=ChatModel(upstream),
        engines=open_engines(settings, dialer, shared),
        providers=providers(settings),
        histories=SharedHistories(shared) if shared else Histories(),
        budget=DailyBudget(spending),
        record=record,
        prices=prices(settings),
        budgets=Budgets(settings.chat_deadline_s, settings.speech_deadline_s),
    )


def prices(settings: Settings) -> Prices:
    return Prices(
        settings.price_speech_minute,
        settings.price_speech_item,
        settings.price_tts_million_chars,
        settings.price_chat_million_in,
        settings.price_chat_million_out,
    )


def providers(settings: Settings) -> Providers:
    xai, openai = (
        (settings.xai_base_url, settings.xai_api_key),
        (settings.openai_base_url, settings.openai_api_key),
    )
    return Providers(
        xai=Provider("xai", "XAI_API_KEY", *xai, settings.xai_chat_model),
        openai=Provider("openai", "OPENAI_API_KEY", *openai, settings.openai_chat_model),
    )
