"""The tables, as SQLAlchemy Core describes them. `migrations` makes them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Index,
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
    Column("base_url_vouched", Boolean, nullable=False),
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

# The people who may sign in to the dashboard.
accounts = Table(
    "accounts",
    metadata,
    Column("account_id", String(36), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),  # what they type to sign in, lower case
    Column("password_hash", Text),  # None until a one-time link was used
    Column("created_at", BigInteger, nullable=False),  # Unix seconds, as every time below
)

# Who is signed in. Only digests: whoever reads this table cannot sign in with it.
sessions = Table(
    "sessions",
    metadata,
    Column("token_digest", String(64), primary_key=True),
    Column("account_id", String(36), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("notice", String(300)),  # what the next page has to say, once
)

# One-time links, to make the first account and to set a password.
invitations = Table(
    "invitations",
    metadata,
    Column("token_digest", String(64), primary_key=True),
    # One link a person; empty: whoever opens it chooses a name.
    Column("account_name", String(100), nullable=False, unique=True),
    Column("expires_at", BigInteger, nullable=False),
)

# Failed attempts to sign in, by a digest of whom they were for and where they came from.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("place", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("since", BigInteger, nullable=False),
)

# What each client's widget was used for, a UTC day a row. No foreign keys: a row of a client deleted
# meanwhile would refuse a whole second's writing. usage/books.py writes only for clients that are there.
usage_days = Table(
    "usage_days",
    metadata,
    Column("client_id", String(36), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("turns", BigInteger, nullable=False),
    Column("spoken_turns", BigInteger, nullable=False),
    Column("speech_ms", BigInteger, nullable=False),  # of sound, cached or bought
    Column("cached_ms", BigInteger, nullable=False),  # of it from the cache
    Column("characters", BigInteger, nullable=False),  # of replies, as written
    Column("microdollars", BigInteger, nullable=False),  # estimated
)

# Turns that ended with an error, and voices that did, by code (errors.py: a closed list).
usage_failures = Table(
    "usage_failures",
    metadata,
    Column("client_id", String(36), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("code", String(40), primary_key=True),
    Column("turns", BigInteger, nullable=False),
)

# Times to the whole reply, counted in buckets of a logarithmic scale: percentiles of any span of days add up.
usage_times = Table(
    "usage_times",
    metadata,
    Column("client_id", String(36), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("bucket", Integer, primary_key=True),
    Column("turns", BigInteger, nullable=False),
)

# What was said, only for clients whose retention_days is not 0, and no longer than that.
exchanges = Table(
    "exchanges",
    metadata,
    Column("exchange_id", String(36), primary_key=True),
    Column("client_id", String(36), nullable=False),
    Column("conversation_id", String(64), nullable=False),
    Column("at_ms", BigInteger, nullable=False),  # Unix milliseconds: exchanges of a second keep their order
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("speech_code", String(40)),  # why there was no voice
    Index("exchanges_of_client", "client_id", "at_ms"),
)
