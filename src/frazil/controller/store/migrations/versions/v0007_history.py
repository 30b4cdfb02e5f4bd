"""Events are looked for by their outcome, and what is old is found to be forgotten."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_events_outcome", "events", ["outcome", "seq"])
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_operations_ended_at", "operations", ["ended_at"])


def downgrade() -> None:
    op.drop_index("ix_operations_ended_at", "operations")
    op.drop_index("ix_events_at", "events")
    op.drop_index("ix_events_outcome", "events")
