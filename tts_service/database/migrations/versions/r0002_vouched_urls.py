"""Which clients' base URLs an operator vouched for, so that they may lead to a private address."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Until now only operators could set a URL, on the command line: they vouched for it by doing so.
    op.add_column(
        "clients", sa.Column("base_url_vouched", sa.Boolean, nullable=False, server_default=sa.true())
    )


def downgrade() -> None:
    op.drop_column("clients", "base_url_vouched")
