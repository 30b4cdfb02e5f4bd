"""Pools are floating, as all were so far, or persistent: a desktop stays with its person between sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pools", sa.Column("kind", sa.String(length=16), server_default="floating", nullable=False))
    op.add_column("pools", sa.Column("assignment", sa.String(length=16), server_default="first-use", nullable=False))
    op.add_column("pools", sa.Column("at_sign_out", sa.String(length=16), server_default="destroy", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("pools", schema=None) as batch_op:
        batch_op.drop_column("at_sign_out")
        batch_op.drop_column("assignment")
        batch_op.drop_column("kind")
