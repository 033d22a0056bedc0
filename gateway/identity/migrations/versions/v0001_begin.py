"""Begin: identities, vacated keys, held values, reservations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

READABLE_BY = 1


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "scim_meta",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "scim_identity",
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("resource_type", sa.String, nullable=False),
        sa.Column("backend", sa.String, nullable=False),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("external_id", sa.Text),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("last_modified", sa.BigInteger, nullable=False),
        sa.Column("counter", sa.BigInteger, nullable=False),
        sa.Column("kept", sa.Text),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("buried", sa.BigInteger),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    _index("live_key", ["tenant", "resource_type", "backend", "entity", "key"], "buried IS NULL", unique=True)
    _index("unerased", ["buried"], "buried IS NOT NULL AND (external_id IS NOT NULL OR kept IS NOT NULL)")
    _index("created", ["tenant", "resource_type", "created"], "created > 0")
    _index("modified", ["tenant", "resource_type", "last_modified"], "last_modified > 0")
    op.create_index("scim_identity_serial", "scim_identity", ["serial"])
    op.create_table(
        "scim_vacated",
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("resource_type", sa.String, nullable=False),
        sa.Column("backend", sa.String, nullable=False),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "resource_type", "backend", "entity", "key"),
    )
    op.create_table(
        "scim_held",
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("resource_type", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("attribute", sa.String, nullable=False),
        sa.Column("value", sa.String, nullable=False),
        sa.Column("whole", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "resource_type", "path", "digest", "id"),
    )
    op.create_index("scim_held_id", "scim_held", ["tenant", "id", "attribute"])
    op.create_table(
        "scim_reservation",
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("resource_type", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("token", sa.String, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "resource_type", "digest"),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("scim_serial")))


def _index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(
        f"scim_identity_{name}",
        "scim_identity",
        columns,
        unique=unique,
        postgresql_where=sa.text(where),
        sqlite_where=sa.text(where),
    )
