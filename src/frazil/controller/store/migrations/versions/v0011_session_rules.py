"""A pool says how long sessions last, and a person is warned before theirs ends. Zero: no limit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from frazil.controller.store.types import Utc

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pools", sa.Column("grace_s", sa.Integer(), server_default="0", nullable=False))
    op.add_column("pools", sa.Column("longest_s", sa.Integer(), server_default="0", nullable=False))
    op.add_column("pools", sa.Column("idle_s", sa.Integer(), server_default="0", nullable=False))
    op.add_column("sessions", sa.Column("warned_at", Utc, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_column("warned_at")
    with op.batch_alter_table("pools", schema=None) as batch_op:
        batch_op.drop_column("idle_s")
        batch_op.drop_column("longest_s")
        batch_op.drop_column("grace_s")
