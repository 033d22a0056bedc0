"""What comes after a place in an order, so that an index can be entered there."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from backends.sql.dialects.base import Condition, Dialect, Expression


def past(
    key: Sequence[Expression], bounds: Sequence[Expression], dialect: Dialect, *, descending: bool = False
) -> Condition:
    """Build "the key lies beyond": as a row where the dialect compares rows, else spelled out."""
    if len(key) == 1:
        return key[0] < bounds[0] if descending else key[0] > bounds[0]
    if dialect.row_values:
        one, other = sa.tuple_(*key), sa.tuple_(*bounds)
        return one < other if descending else one > other
    first = key[0] < bounds[0] if descending else key[0] > bounds[0]
    rest = past(key[1:], bounds[1:], dialect, descending=descending)
    return sa.or_(first, sa.and_(key[0] == bounds[0], rest))
