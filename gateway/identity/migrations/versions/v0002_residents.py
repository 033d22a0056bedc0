"""Residents: records that have no system behind the gateway to live in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

READABLE_BY = 1
"""A program that does not know these tables serves no residents, and works as before beside one that does."""

_ORDERED = sa.String().with_variant(sa.VARCHAR(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables of residents, of what they are found by, and of their lists."""
    op.create_table(
        "scim_resident",
        *_place(),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "entity", "key"),
    )
    op.create_table(
        "scim_resident_text",
        *_place(),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("folded", sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=False),
        sa.Column("begin", _ORDERED, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("sole", sa.String),
        sa.PrimaryKeyConstraint("tenant", "entity", "key", "field"),
    )
    place = ["tenant", "entity", "field"]
    given = sa.text("sole IS NOT NULL")
    op.create_index(
        "scim_resident_text_sole",
        "scim_resident_text",
        [*place, "sole"],
        unique=True,
        postgresql_where=given,
        sqlite_where=given,
    )
    for name in ("digest", "begin"):
        op.create_index(f"scim_resident_text_{name}", "scim_resident_text", [*place, name, "key"])
    op.create_table(
        "scim_resident_list",
        *_place(),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("value", _ORDERED, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "entity", "key", "field", "value"),
    )
    op.create_index("scim_resident_list_value", "scim_resident_list", ["tenant", "value", "entity", "field", "key"])


def _place() -> list[sa.Column[str]]:
    return [
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("key", _ORDERED, nullable=False),
    ]
