"""The provider's stand-in: xAI's voice and chat API on one local port, with a real offline voice.

A second program. It imports nothing from the rest of tts_service, so that a mistake in the
service's codecs cannot hide behind the same mistake here. Start it through `sandbox.main`.
"""
