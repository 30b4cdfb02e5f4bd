"""Whoever asks for a desktop of a pool is given one that is nobody's: those are found without looking at the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FREE = sa.text("assigned_user_id IS NULL")


def upgrade() -> None:
    op.create_index("ix_desktops_free", "desktops", ["pool_id", "id"], sqlite_where=FREE, postgresql_where=FREE)


def downgrade() -> None:
    op.drop_index("ix_desktops_free", "desktops")
