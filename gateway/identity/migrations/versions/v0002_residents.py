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

_ORDERED_TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
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
        sa.Column("value", _ORDERED_TEXT, nullable=False),
        sa.Column("folded", _ORDERED_TEXT, nullable=False),
        sa.Column("begin", _ORDERED, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("sole", sa.String),
        sa.PrimaryKeyConstraint("tenant", "entity", "key", "field"),
    )
    place = ["tenant", "entity", "field"]
    _index("text_sole", [*place, "sole"], "sole IS NOT NULL", unique=True)
    _index("text_digest", [*place, "digest", "key"], "digest > ''")
    _index("text_begin", [*place, "begin", "key"], "begin >= ''")
    op.create_table(
        "scim_resident_list",
        *_place(),
        sa.Column("field", sa.String, nullable=False),
        sa.Column("value", _ORDERED, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "entity", "key", "field", "value"),
    )
    _index("list_value", ["tenant", "value", "entity", "field", "key"], "value > ''")


def _index(name: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(
        f"scim_resident_{name}",
        f"scim_resident_{name.partition('_')[0]}",
        columns,
        unique=unique,
        postgresql_where=sa.text(where),
        sqlite_where=sa.text(where),
    )


def _place() -> list[sa.Column[str]]:
    return [
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("entity", sa.String, nullable=False),
        sa.Column("key", _ORDERED, nullable=False),
    ]
