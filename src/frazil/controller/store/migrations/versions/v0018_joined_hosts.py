"""Hosts on other machines: tokens to join with, certified keys, and where their displays are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from frazil.controller.store.types import Utc

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "host_invitations",
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), server_default="default", nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("expires_at", Utc, nullable=False),
        sa.Column("host_id", sa.String(length=36), nullable=True),
        sa.Column("key_sha256", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_host_invitations")),
    )
    op.create_table(
        "host_keys",
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=36), server_default="default", nullable=False),
        sa.Column("host_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", Utc, nullable=False),
        sa.Column("expires_at", Utc, nullable=False),
        sa.Column("revoked_at", Utc, nullable=True),
        sa.PrimaryKeyConstraint("key_sha256", name=op.f("pk_host_keys")),
    )
    op.create_index(op.f("ix_host_keys_host_id"), "host_keys", ["host_id"], unique=False)
    op.add_column("hosts", sa.Column("address", sa.String(length=255), server_default="", nullable=False))
    op.add_column("hosts", sa.Column("displays_port", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("hosts", schema=None) as batch_op:
        batch_op.drop_column("displays_port")
        batch_op.drop_column("address")
    op.drop_index(op.f("ix_host_keys_host_id"), table_name="host_keys")
    op.drop_table("host_keys")
    op.drop_table("host_invitations")
