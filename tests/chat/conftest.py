"""Servers, certificates and the parts of a turn, each closed at the end of its test."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.chat.scripted import ScriptedPeer
from tts_service.assembly import open_composer
from tts_service.chat.llm import ChatModel
from tts_service.chat.turn import Composer
from tts_service.clients.spending import Spending
from tts_service.database.engine import open_database
from tts_service.dial import Dialer, Lifeline, Resolve, lookup, tls_context
from tts_service.sandbox.main import start_in_thread
from tts_service.secret import Secret
from tts_service.settings import Settings
from tts_service.upstream import Upstream
from tts_service.usage.turn import Turn

Serve = Callable[..., ScriptedPeer]


@dataclass
class Models:
    """Makes chat models; closes them, and their dialers, at the end of the test."""

    default_tls: ssl.SSLContext
    made: list[Upstream] = field(default_factory=list)
    dialers: list[Dialer] = field(default_factory=list)

    def __call__(self, resolve: Resolve = lookup, tls: ssl.SSLContext | None = None) -> ChatModel:
        return ChatModel(self.upstream(resolve, tls))

    def upstream(self, resolve: Resolve = lookup, tls: ssl.SSLContext | None = None) -> Upstream:
        self.made.append(Upstream(self.dialer(resolve, tls)))
        return self.made[-1]

    def dialer(self, resolve: Resolve = lookup, tls: ssl.SSLContext | None = None) -> Dialer:
        self.dialers.append(Dialer(resolve, tls or self.default_tls))
        return self.dialers[-1]

    def close(self) -> None:
        for upstream in self.made:
            upstream.close()
        for dialer in self.dialers:
            dialer.close()


@pytest.fixture(scope="session")
def default_tls() -> ssl.SSLContext:
    return tls_context()


@pytest.fixture
def models(default_tls: ssl.SSLContext) -> Iterator[Models]:
    models = Models(default_tls)
    yield models
    models.close()


@pytest.fixture
def model(models: Models) -> ChatModel:
    return models()


@pytest.fixture
def lifeline() -> Lifeline:
    return Lifeline()


# Certificates, made when the tests run.


@dataclass(frozen=True)
class Certificates:
    """`trusting` believes in an authority that signed every certificate but the self-signed one."""

    folder: Path
    trusting: ssl.SSLContext

    def server(self, kind: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{kind}.pem")
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("authority", authority_key, authority_key, "authority", ca=True)
    (folder / "authority.pem").write_bytes(authority)
    for kind, signer, issuer, days, name in (
        ("good", authority_key, "authority", 1, "127.0.0.1"),
        ("expired", authority_key, "authority", -1, "127.0.0.1"),
        ("wrong-name", authority_key, "authority", 1, "127.0.0.2"),
        ("self-signed", None, "self-signed", 1, "127.0.0.1"),
    ):
        own = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(kind, own, signer or own, issuer, days=days, address=name)
        secret = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{kind}.pem").write_bytes(secret + made)
    return Certificates(folder, ssl.create_default_context(cafile=str(folder / "authority.pem")))


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    ca: bool = False,
    days: int = 1,
    address: str = "127.0.0.1",
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


# Turns.


@pytest.fixture(scope="session")
def sandbox() -> Iterator[str]:
    with start_in_thread(voice="tone") as base_url:
        yield base_url


@pytest.fixture(scope="session")
def spending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spending]:
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('database')}/tts.db")
    yield Spending(database)
    database.close()


Compose = Callable[..., Composer]


@pytest.fixture
def compose(models: Models, spending: Spending) -> Iterator[Compose]:
    """Makes composers for the provider at an address; closes them at the end of the test. What they would
    write about their turns goes into `turns`."""
    made: list[Composer] = []

    def make(
        base_url: str, spending: Spending = spending, turns: list[Turn] | None = None, **changes: object
    ) -> Composer:
        record = [].append if turns is None else turns.append
        settings = replace(Settings(xai_base_url=base_url, xai_api_key=Secret("xai-sandbox")), **changes)
        made.append(open_composer(settings, models.dialer(), models.upstream(), spending, record))
        return made[-1]

    yield make
    for composer in made:
        composer.close()


@pytest.fixture
def fresh(sandbox: str) -> str:
    """The sandbox's address, its record emptied."""
    requests.delete(sandbox.replace("/v1", "/sandbox/calls"), timeout=60)
    return sandbox
