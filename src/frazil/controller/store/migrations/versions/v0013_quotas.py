"""Users and groups have quotas, and a pool a most of open sessions. Zero: no limit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_QUOTA = ("quota_desktops", "quota_vcpus", "quota_memory_mib", "quota_sessions")
_COLUMNS = [(table, name) for table in ("users", "groups") for name in _QUOTA] + [("pools", "max_sessions")]


def upgrade() -> None:
    for table, name in _COLUMNS:
        op.add_column(table, sa.Column(name, sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    for table, name in reversed(_COLUMNS):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column(name)
