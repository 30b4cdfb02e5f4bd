"""Why a desktop's host was chosen is kept, and a host may be in maintenance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from frazil.controller.store.types import Utc

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "placements",
        sa.Column("desktop_id", sa.String(length=36), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), server_default="default", nullable=False),
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("at", Utc, nullable=False),
        sa.Column("able", sa.Integer(), nullable=False),
        sa.Column("of_hosts", sa.Integer(), nullable=False),
        sa.Column("score", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["desktop_id"], ["desktops.id"], name="fk_placements_desktop_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["host_id"], ["hosts.id"], name="fk_placements_host_id"),
        sa.PrimaryKeyConstraint("desktop_id", name="pk_placements"),
    )
    op.add_column("hosts", sa.Column("maintenance", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_hosts_maintenance", "hosts", ["maintenance"])


def downgrade() -> None:
    op.drop_index("ix_hosts_maintenance", "hosts")
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.drop_column("maintenance")
    op.drop_table("placements")
