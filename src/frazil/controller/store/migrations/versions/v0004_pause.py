"""Desktops that nobody looks at are paused after their pool's time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from frazil.controller.store.types import Utc

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pools", sa.Column("pause_after_s", sa.Integer, server_default="300", nullable=False))
    op.add_column("sessions", sa.Column("disconnected_at", Utc, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_column("disconnected_at")
    with op.batch_alter_table("pools", schema=None) as batch_op:
        batch_op.drop_column("pause_after_s")
