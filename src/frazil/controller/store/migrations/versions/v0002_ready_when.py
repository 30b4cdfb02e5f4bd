"""Images say when a desktop of theirs counts as ready."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("images", sa.Column("ready_when", sa.String(length=16), server_default="service", nullable=False))
    images = sa.table("images", sa.column("ready_when"), sa.column("recipe"))
    op.execute(images.update().where(images.c.recipe.is_(None)).values(ready_when="agent"))


def downgrade() -> None:
    with op.batch_alter_table("images", schema=None) as batch_op:
        batch_op.drop_column("ready_when")
