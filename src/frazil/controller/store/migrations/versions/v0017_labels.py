"""Hosts have labels; a pool asks for hosts by them, is spread or packed, and is kept apart by one of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("hosts", sa.Column("labels", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("hosts", sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
    op.add_column("pools", sa.Column("host_labels", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("pools", sa.Column("placement", sa.String(length=16), server_default="spread", nullable=False))
    op.add_column("pools", sa.Column("apart_by", sa.String(length=64), server_default="", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("pools", schema=None) as batch_op:
        batch_op.drop_column("apart_by")
        batch_op.drop_column("placement")
        batch_op.drop_column("host_labels")
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.drop_column("revision")
        batch_op.drop_column("labels")
