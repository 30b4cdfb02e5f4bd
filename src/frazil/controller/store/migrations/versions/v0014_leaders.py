"""Of several controllers on one database, one leads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leaders",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("tenant_id", sa.String(36), server_default="default", nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("expires_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leaders"),
    )


def downgrade() -> None:
    op.drop_table("leaders")
