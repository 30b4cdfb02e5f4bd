"""Column types."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa


class Utc(sa.types.TypeDecorator[datetime]):
    """An aware time, kept in UTC. SQLite keeps no zone: it is taken off on the way in and put back on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        assert value.tzinfo is not None, "times in the store are aware"
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
