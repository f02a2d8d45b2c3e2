"""The tables, as SQLAlchemy Core describes them. `migrations` makes them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

# Lengths are those that `fields.py` lets through.
clients = Table(
    "clients",
    metadata,
    Column("client_id", String(36), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("ai_provider", String(20), nullable=False),
    Column("ai_base_url", String(500)),
    Column("ai_api_key_sealed", Text),  # sealing.Sealer's token, never the key
    Column("ai_api_key_last4", String(4)),
    Column("ai_model", String(200)),
    Column("system_prompt", Text, nullable=False),
    Column("speech_provider", String(20), nullable=False),
    Column("speech_engine", String(20), nullable=False),
    Column("voice", String(64), nullable=False),
    Column("speed", Float, nullable=False),
    Column("language", String(35), nullable=False),
    Column("pronunciations", JSON, nullable=False),
    Column("allowed_origins", JSON, nullable=False),
    Column("greeting", Text, nullable=False),
    Column("daily_limit", Float),  # US dollars
    Column("retention_days", Integer, nullable=False),
    Column("browser_tokens", Boolean, nullable=False),
    Column("retry_on_drift", Boolean, nullable=False),
)

# No foreign key: a turn may end, and cost money, after its client was deleted.
spending = Table(
    "spending",
    metadata,
    Column("client_id", String(36), primary_key=True),
    Column("day", Date, primary_key=True),  # UTC
    Column("microdollars", BigInteger, nullable=False),  # whole millionths of a US dollar add up exactly
)
