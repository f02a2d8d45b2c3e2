"""The voice layer for a website's chat widget: a question in, the reply as text and as sound out."""

from tts_service.app import close_app, create_app
from tts_service.version import __version__

__all__ = ["__version__", "close_app", "create_app"]
