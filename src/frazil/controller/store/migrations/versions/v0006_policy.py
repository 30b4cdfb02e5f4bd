"""What may pass between a person's machine and a desktop is kept per pool and per user. Null forbids nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from frazil.controller.store.types import Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pools", sa.Column("policy", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("users", sa.Column("policy", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("users", sa.Column("version", sa.Integer, server_default="1", nullable=False))
    op.add_column("users", sa.Column("changed_at", Utc, nullable=True))
    op.create_index("ix_users_changed_at", "users", ["changed_at"])


def downgrade() -> None:
    op.drop_index("ix_users_changed_at", "users")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("changed_at")
        batch_op.drop_column("version")
        batch_op.drop_column("policy")
    with op.batch_alter_table("pools", schema=None) as batch_op:
        batch_op.drop_column("policy")
