"""Clients, and what each spent a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("ai_provider", sa.String(20), nullable=False),
        sa.Column("ai_base_url", sa.String(500)),
        sa.Column("ai_api_key_sealed", sa.Text),
        sa.Column("ai_api_key_last4", sa.String(4)),
        sa.Column("ai_model", sa.String(200)),
        sa.Column("system_prompt", sa.Text, nullable=False),
        sa.Column("speech_provider", sa.String(20), nullable=False),
        sa.Column("speech_engine", sa.String(20), nullable=False),
        sa.Column("voice", sa.String(64), nullable=False),
        sa.Column("speed", sa.Float, nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("pronunciations", sa.JSON, nullable=False),
        sa.Column("allowed_origins", sa.JSON, nullable=False),
        sa.Column("greeting", sa.Text, nullable=False),
        sa.Column("daily_limit", sa.Float),
        sa.Column("retention_days", sa.Integer, nullable=False),
        sa.Column("browser_tokens", sa.Boolean, nullable=False),
        sa.Column("retry_on_drift", sa.Boolean, nullable=False),
    )
    op.create_table(
        "spending",
        sa.Column("client_id", sa.String(36), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("microdollars", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("spending")
    op.drop_table("clients")
