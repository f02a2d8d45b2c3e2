"""The page for newcomers, the widget's script, and the files they load."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, render_template, request

from tts_service.clients.client import Client
from tts_service.clients.store import ClientStore
from tts_service.settings import Settings
from tts_service.version import __version__
from tts_service.web import origins

DEMO_CLIENT_NAME = "Demo"
WIDGET_CACHED_S = 3600
_SOME_ADDRESS = "https://voice.example.com"  # in production the page cannot know its own: Host may be forged


def blueprint(settings: Settings, store: ClientStore) -> Blueprint:
    routes = Blueprint("pages", __name__)
    sandbox = _is_loopback(settings.xai_base_url)

    @routes.get("/")
    def home() -> str:
        # The one place that trusts the Host header, for development only: the page is shown to who sent it,
        # and a name that is in no client's origins finds no client.
        here = None if settings.production else f"{request.scheme}://{request.host}"
        demo = demo_client(store.all(), here) if here else None
        return render_template(
            "home.html",
            client_id=demo.client_id if demo else None,
            service_url=here or _SOME_ADDRESS,
            sandbox=sandbox,
            has_xai_key=settings.xai_api_key is not None,
            version=__version__,
        )

    @routes.get("/widget.js")
    def widget() -> Response:
        """Loaded by other people's pages, so it is everybody's to read; the ETag makes a reload cheap."""
        response = current_app.send_static_file("widget.js")
        response.headers["Cache-Control"] = f"public, max-age={WIDGET_CACHED_S}"
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    return routes


def demo_client(clients: list[Client], origin: str) -> Client | None:
    """The first enabled client named Demo that pages of `origin` may use."""
    for client in clients:
        fits = client.name == DEMO_CLIENT_NAME and client.enabled
        if fits and origins.permits(client.allowed_origins, origin):
            return client
    return None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
