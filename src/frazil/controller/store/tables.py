"""The tables. Ids are UUIDv7 texts, times are UTC; `tenant_id` is "default" for now.

What is *wanted* of a desktop is in `desktops`, what was *seen* of it in `desktop_seen`; only hosts write the latter.
Secrets (cookies, tokens, tickets) are kept as SHA-256 of 32 random bytes or more; passwords as argon2id.
"""

from __future__ import annotations

import sqlalchemy as sa

from frazil.controller.store.types import Utc
from frazil.model.quota import ORDER

TENANT = "default"

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)

Id = sa.String(36)
Text = sa.Text


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", sa.String(36), nullable=False, server_default=TENANT)


def _quota() -> list[sa.Column[int]]:
    """One column for each of `model.quota.ORDER`."""
    return [sa.Column(f"quota_{what}", sa.Integer, nullable=False, server_default="0") for what in ORDER]


meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", Text, nullable=False),
)

leaders = sa.Table(
    "leaders",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    _tenant(),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    # Seconds since 1970 by the database's clock.
    sa.Column("expires_s", sa.Double, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("issuer", sa.String(200), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("display_name", sa.String(200), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password_hash", Text, nullable=True),
    sa.Column("policy", sa.JSON(none_as_null=True), nullable=True),
    *_quota(),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("changed_at", Utc, nullable=True, index=True),
    sa.UniqueConstraint("tenant_id", "issuer", "subject", name="uq_users_subject"),
)

logins = sa.Table(
    "logins",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False, index=True),
    sa.Column("remote_address", sa.String(200), nullable=True),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False),
    sa.Column("last_used_at", Utc, nullable=True),
)

setup_token = sa.Table(
    "setup_token",
    metadata,
    sa.Column("secret_hash", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("created_at", Utc, nullable=False),
)

throttles = sa.Table(
    "throttles",
    metadata,
    sa.Column("key", sa.String(300), primary_key=True),
    _tenant(),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("blocked_until", Utc, nullable=False),
    sa.Column("updated_at", Utc, nullable=False, index=True),
)

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("capabilities", sa.JSON, nullable=False),
    sa.Column("load", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("last_seen_at", Utc, nullable=True),
    sa.Column("desired_generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("announced", sa.String(16), nullable=False, server_default="silent"),
    sa.Column("maintenance", sa.Boolean, nullable=False, server_default=sa.false(), index=True),
    sa.Column("labels", sa.JSON, nullable=False, server_default="{}"),
    # Of what people say of it; `version` is its software's.
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    sa.Column("address", sa.String(255), nullable=False, server_default=""),
    sa.Column("displays_port", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", Utc, nullable=False),
)

host_invitations = sa.Table(
    "host_invitations",
    metadata,
    sa.Column("secret_hash", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False),
    sa.Column("host_id", Id, nullable=True),
    sa.Column("key_sha256", sa.String(64), nullable=True),
)
"""A token for one new host. Once it was taken: by which host, with which key."""

host_keys = sa.Table(
    "host_keys",
    metadata,
    sa.Column("key_sha256", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("host_id", Id, nullable=False, index=True),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False),
    sa.Column("revoked_at", Utc, nullable=True),
)
"""The keys that were certified for hosts on other machines; a host that renews has several for a while."""

strays = sa.Table(
    "strays",
    metadata,
    sa.Column("host_id", Id, sa.ForeignKey("hosts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(300), primary_key=True),
    _tenant(),
    sa.Column("desktop_id", Id, nullable=True),
    sa.Column("detail", Text, nullable=False),
)

images = sa.Table(
    "images",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("recipe", sa.String(200), nullable=True),
    sa.Column("upload", sa.String(300), nullable=True),
    sa.Column("upload_format", sa.String(16), nullable=True),
    sa.Column("os", sa.String(100), nullable=False),
    sa.Column("ready_when", sa.String(16), nullable=False, server_default="service"),
    sa.Column("wanted", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.UniqueConstraint("tenant_id", "name", "version", name="uq_images_version"),
)

image_seen = sa.Table(
    "image_seen",
    metadata,
    sa.Column("image_id", Id, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("host_id", Id, sa.ForeignKey("hosts.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("step", Text, nullable=False),
    sa.Column("fraction", sa.Float, nullable=False),
    sa.Column("eta_s", sa.Float, nullable=True),
    sa.Column("failure", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("sha256", sa.String(64), nullable=True),
    sa.Column("virtual_size_bytes", sa.BigInteger, nullable=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=True),
    sa.Column("os", sa.String(100), nullable=False),
    sa.Column("observed_at", Utc, nullable=False),
)

pools = sa.Table(
    "pools",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("label", sa.String(200), nullable=False),
    sa.Column("image_id", Id, sa.ForeignKey("images.id"), nullable=False, index=True),
    sa.Column("profile", sa.JSON, nullable=False),
    sa.Column("spares", sa.Integer, nullable=False),
    sa.Column("max_desktops", sa.Integer, nullable=False),
    sa.Column("start_deadline_s", sa.Integer, nullable=False),
    sa.Column("start", sa.String(16), nullable=False, server_default="fork"),
    sa.Column("pause_after_s", sa.Integer, nullable=False, server_default="300"),
    sa.Column("share_memory", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("kind", sa.String(16), nullable=False, server_default="floating"),
    sa.Column("assignment", sa.String(16), nullable=False, server_default="first-use"),
    sa.Column("at_sign_out", sa.String(16), nullable=False, server_default="destroy"),
    sa.Column("grace_s", sa.Integer, nullable=False, server_default="0"),
    sa.Column("longest_s", sa.Integer, nullable=False, server_default="0"),
    sa.Column("idle_s", sa.Integer, nullable=False, server_default="0"),
    sa.Column("max_sessions", sa.Integer, nullable=False, server_default="0"),
    sa.Column("keep_deleted_s", sa.Integer, nullable=False, server_default=str(7 * 86400)),
    sa.Column("host_labels", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("placement", sa.String(16), nullable=False, server_default="spread"),
    sa.Column("apart_by", sa.String(64), nullable=False, server_default=""),
    sa.Column("policy", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("deleting", sa.Boolean, nullable=False),
    sa.Column("next_number", sa.Integer, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("changed_at", Utc, nullable=False),
    sa.UniqueConstraint("tenant_id", "name", name="uq_pools_name"),
)

entitlements = sa.Table(
    "entitlements",
    metadata,
    sa.Column("pool_id", Id, sa.ForeignKey("pools.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    _tenant(),
    sa.Column("created_at", Utc, nullable=False),
)

groups = sa.Table(
    "groups",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("label", sa.String(200), nullable=False),
    *_quota(),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.UniqueConstraint("tenant_id", "name", name="uq_groups_name"),
)

group_members = sa.Table(
    "group_members",
    metadata,
    sa.Column("group_id", Id, sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    _tenant(),
    # Who says so: "local", or the directory that it was taken from.
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("created_at", Utc, nullable=False),
)

group_entitlements = sa.Table(
    "group_entitlements",
    metadata,
    sa.Column("pool_id", Id, sa.ForeignKey("pools.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("group_id", Id, sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True, index=True),
    _tenant(),
    sa.Column("created_at", Utc, nullable=False),
)

desktops = sa.Table(
    "desktops",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("pool_id", Id, sa.ForeignKey("pools.id"), nullable=False, index=True),
    sa.Column("image_id", Id, sa.ForeignKey("images.id"), nullable=False, index=True),
    sa.Column("profile", sa.JSON, nullable=False),
    sa.Column("power", sa.String(16), nullable=False),
    sa.Column("graceful", sa.Boolean, nullable=False),
    sa.Column("restart", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("epoch_generation", sa.Integer, nullable=False),
    sa.Column("epoch_counter", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("host_id", Id, sa.ForeignKey("hosts.id"), nullable=True, index=True),
    sa.Column("assigned_user_id", Id, sa.ForeignKey("users.id"), nullable=True, index=True),
    sa.Column("wanted_since", Utc, nullable=False),
    sa.Column("deadline_s", sa.Integer, nullable=False),
    sa.Column("failure", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("failed_at", Utc, nullable=True),
    # Deleted, and kept until then, with the name of whose it was.
    sa.Column("kept_until", Utc, nullable=True),
    sa.Column("kept_for", sa.String(200), nullable=True),
    sa.Column("announced", sa.String(16), nullable=False),
    sa.Column("measured_attempt", sa.Integer, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.UniqueConstraint("tenant_id", "name", name="uq_desktops_name"),
)
sa.Index(
    "ix_desktops_free",
    desktops.c.pool_id,
    desktops.c.id,
    sqlite_where=desktops.c.assigned_user_id.is_(None),
    postgresql_where=desktops.c.assigned_user_id.is_(None),
)

desktop_seen = sa.Table(
    "desktop_seen",
    metadata,
    sa.Column("desktop_id", Id, sa.ForeignKey("desktops.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("guest", sa.String(16), nullable=False),
    sa.Column("epoch_generation", sa.Integer, nullable=False),
    sa.Column("epoch_counter", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("failure", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("step", Text, nullable=False),
    sa.Column("started_at", Utc, nullable=True),
    sa.Column("observed_at", Utc, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
)

placements = sa.Table(
    "placements",
    metadata,
    sa.Column("desktop_id", Id, sa.ForeignKey("desktops.id", ondelete="CASCADE"), primary_key=True),
    _tenant(),
    sa.Column("host_id", Id, sa.ForeignKey("hosts.id"), nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("able", sa.Integer, nullable=False),
    sa.Column("of_hosts", sa.Integer, nullable=False),
    sa.Column("score", sa.JSON, nullable=False),
)

disks = sa.Table(
    "disks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("desktop_id", Id, sa.ForeignKey("desktops.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("source", sa.String(300), nullable=False),
    sa.Column("writable", sa.Boolean, nullable=False),
    sa.Column("exclusive", sa.Boolean, nullable=False),
    sa.Column("storage", sa.String(64), nullable=False),
    sa.Column("host_id", Id, sa.ForeignKey("hosts.id"), nullable=True),
    sa.UniqueConstraint("desktop_id", "position", name="uq_disks_position"),
)

starts = sa.Table(
    "starts",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    _tenant(),
    sa.Column("pool_id", Id, sa.ForeignKey("pools.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("at", Utc, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    # No foreign keys: what was, stays readable when the user, the pool or the desktop is gone.
    sa.Column("user_id", Id, nullable=False, index=True),
    sa.Column("pool_id", Id, nullable=False),
    sa.Column("desktop_id", Id, nullable=False, index=True),
    sa.Column("opened_at", Utc, nullable=False),
    sa.Column("ended_at", Utc, nullable=True, index=True),
    sa.Column("end_reason", Text, nullable=False, server_default=""),
    sa.Column("connected", sa.Boolean, nullable=False),
    sa.Column("connected_at", Utc, nullable=True),
    sa.Column("disconnected_at", Utc, nullable=True),
    sa.Column("warned_at", Utc, nullable=True),
    sa.Column("remote_address", sa.String(200), nullable=True),
)
sa.Index(
    "uq_sessions_open_pool",
    sessions.c.user_id,
    sessions.c.pool_id,
    unique=True,
    sqlite_where=sessions.c.ended_at.is_(None),
    postgresql_where=sessions.c.ended_at.is_(None),
)
sa.Index(
    "uq_sessions_open_desktop",
    sessions.c.desktop_id,
    unique=True,
    sqlite_where=sessions.c.ended_at.is_(None),
    postgresql_where=sessions.c.ended_at.is_(None),
)

tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("secret_hash", sa.String(64), primary_key=True),
    _tenant(),
    sa.Column("session_id", Id, sa.ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False, index=True),
    sa.Column("used_at", Utc, nullable=True),
    sa.Column("remote_address", sa.String(200), nullable=True),
)

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _tenant(),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("target_id", Id, nullable=False, index=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("failure", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("ended_at", Utc, nullable=True, index=True),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", Id, nullable=False, unique=True),
    _tenant(),
    sa.Column("at", Utc, nullable=False, index=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("text", Text, nullable=False),
    sa.Column("user_id", Id, nullable=True, index=True),
    sa.Column("user_name", sa.String(200), nullable=True),
    sa.Column("desktop_id", Id, nullable=True, index=True),
    sa.Column("remote_address", sa.String(200), nullable=True),
    sa.Column("outcome", sa.String(16), nullable=False),
    sqlite_autoincrement=True,
)
sa.Index("ix_events_outcome", events.c.outcome, events.c.seq)
