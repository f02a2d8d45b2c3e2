"""Alembic runs this file. The connection and its transaction belong to `database.Database`."""

from __future__ import annotations

from alembic import context

from tts_service.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
