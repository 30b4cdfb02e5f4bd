"""A deleted desktop with somebody's disk is kept for its pool's time, seven days unless said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from frazil.controller.store.types import Utc

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pools", sa.Column("keep_deleted_s", sa.Integer(), server_default="604800", nullable=False))
    op.add_column("desktops", sa.Column("kept_until", Utc, nullable=True))
    op.add_column("desktops", sa.Column("kept_for", sa.String(length=200), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("desktops", schema=None) as batch_op:
        batch_op.drop_column("kept_for")
        batch_op.drop_column("kept_until")
    with op.batch_alter_table("pools", schema=None) as batch_op:
        batch_op.drop_column("keep_deleted_s")
