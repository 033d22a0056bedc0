"""What the backend can be asked: conditions on native records that are exact, or a superset, never less (R-L23).

Every condition is put together by what `Capabilities` declare. What cannot be asked becomes `UNKNOWN`: a condition that
holds for every record and is not exact, so that the gateway re-checks. The negation of a superset is no superset: what
is not exact cannot be negated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from backends.contract import And, AnyRow, Capabilities, Compare, Filter, Match, Not, Op, Or
from gateway.mapping.codecs import Answer, Ask


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on records: those it is about satisfy `where` (None: all do).

    `exact`: and no others do. `never`: none satisfies it, whatever `where` says.
    """

    where: Filter | None = field(default=None, repr=False)
    exact: bool = True
    never: bool = False

    @property
    def always(self) -> bool:
        """Whether every record satisfies it."""
        return self.where is None and self.exact and not self.never

    @property
    def unknown(self) -> bool:
        """Whether nothing can be said of any record."""
        return self.where is None and not self.exact and not self.never

    @property
    def loose(self) -> Condition:
        """The same as a superset only."""
        return self if self.never or not self.exact else Condition(self.where, exact=False)


ALWAYS = Condition()
NEVER = Condition(never=True)
UNKNOWN = Condition(exact=False)

_OPPOSITE = {Op.EQ: Op.NE, Op.NE: Op.EQ}


@dataclass(frozen=True, slots=True)
class Terms:
    """Builds conditions within the capabilities of one entity, or of the rows of one of its fields.

    `many` names the fields with several values, whose `ne` is no negation of `eq`. `rows` is the field of rows whose
    bare columns are named, None for fields of the record itself.
    """

    filters: Mapping[str, Mapping[tuple[Op, bool], Match]]
    logic: frozenset[str]
    many: frozenset[str]
    rows: str | None = None

    @classmethod
    def of(cls, capabilities: Capabilities, many: frozenset[str]) -> Terms:
        """Take over what a backend declares of an entity."""
        return cls(capabilities.filters, capabilities.logic, many)

    def inside(self, rows: str) -> Terms:
        """Build conditions on single rows of a field."""
        return Terms(self.filters, self.logic, frozenset(), rows)

    def answer(self, name: str, answer: Answer | None) -> Condition:
        """Turn what a chain of codecs made of a question into a condition on a field."""
        if answer is None:
            return UNKNOWN
        either = self.any([self.ask(name, ask) for ask in answer.asks])
        found = self.negate(either) if answer.negated else either
        return found if answer.exact else found.loose

    def ask(self, name: str, ask: Ask) -> Condition:
        """Compare one field, with the operator that answers best of those declared for it."""
        if ask.op is Op.EQ and ask.value is None:
            return self.negate(self.ask(name, Ask(Op.PR)))
        declared = self.filters.get(name if self.rows is None else f"{self.rows}.{name}", {})
        found = self._compare(name, ask, declared)
        if found is None and ask.op is Op.IN:
            singles = [self._compare(name, replace(ask, op=Op.EQ, value=value), declared) for value in ask.value]
            found = None if None in singles else self.any([one for one in singles if one is not None])
        if found is None and ask.op is Op.EQ:
            found = self._compare(name, replace(ask, op=Op.IN, value=(ask.value,)), declared)
        return UNKNOWN if found is None else found

    @staticmethod
    def _compare(name: str, ask: Ask, declared: Mapping[tuple[Op, bool], Match]) -> Condition | None:
        """Put a question as it is; None if no declared operator can."""
        for ignore_case in (True, False) if ask.folded else (False, True):
            match = declared.get((ask.op, ignore_case))
            if match is not None and (ignore_case or ask.normal or not ask.folded):
                exact = match is Match.EXACT and (ask.normal or ignore_case is ask.folded)
                return Condition(Compare(name, ask.op, ask.value, ignore_case), exact)
        return None

    def all(self, conditions: Sequence[Condition]) -> Condition:
        """Build a conjunction; a backend without `and` is asked for the first term, which is a superset."""
        if any(condition.never for condition in conditions):
            return NEVER
        exact = all(condition.exact for condition in conditions)
        terms: list[Filter] = []
        for condition in conditions:
            match condition.where:
                case None:
                    continue
                case And(terms=inner):
                    terms += inner
                case other:
                    terms.append(other)
        if len(terms) > 1 and "and" not in self.logic:
            return Condition(terms[0], exact=False)
        return Condition(terms[0] if len(terms) == 1 else And(tuple(terms)) if terms else None, exact)

    def any(self, conditions: Sequence[Condition]) -> Condition:
        """Build a disjunction; one unknown term makes the whole unknown."""
        possible = [condition for condition in conditions if not condition.never]
        if any(condition.always for condition in possible):
            return ALWAYS
        if not possible:
            return NEVER
        terms: list[Filter] = []
        for condition in possible:
            match condition.where:
                case None:
                    return UNKNOWN
                case Or(terms=inner):
                    terms += inner
                case other:
                    terms.append(other)
        if len(terms) > 1 and "or" not in self.logic:
            return UNKNOWN
        return Condition(
            terms[0] if len(terms) == 1 else Or(tuple(terms)), all(condition.exact for condition in possible)
        )

    def negate(self, condition: Condition) -> Condition:
        """Build a negation: by the opposite operator where there is one, which costs a backend least."""
        if condition.never:
            return ALWAYS
        if not condition.exact:
            return UNKNOWN
        where = condition.where
        if where is None:
            return NEVER
        if isinstance(where, Not):
            return Condition(where.term)
        if isinstance(where, Compare) and where.op in _OPPOSITE and not self._is_many(where):
            name = where.field if self.rows is None else f"{self.rows}.{where.field}"
            opposite = _OPPOSITE[where.op]
            if self.filters.get(name, {}).get((opposite, where.ignore_case)) is Match.EXACT:
                return Condition(Compare(where.field, opposite, where.value, where.ignore_case))
        return Condition(Not(where)) if "not" in self.logic else UNKNOWN

    def row(self, condition: Condition) -> Condition:
        """Lift a condition on one row to the record: some row satisfies it."""
        if self.rows is None:
            raise LookupError("these terms are not inside rows")
        where = condition.where
        if condition.never or where is None:
            return condition if condition.never else UNKNOWN
        if isinstance(where, Compare) and where.op is not Op.NE:
            return Condition(
                Compare(f"{self.rows}.{where.field}", where.op, where.value, where.ignore_case), condition.exact
            )
        if "any_row" in self.logic:
            return Condition(AnyRow(self.rows, where), condition.exact)
        if isinstance(where, And):
            # Each term for itself, of perhaps different rows: a superset.
            singles = [Condition(term, exact=False) for term in where.terms if isinstance(term, Compare)]
            lifted = [self.row(single) for single in singles if _op(single) is not Op.NE]
            return self.all(lifted).loose if lifted else UNKNOWN
        return UNKNOWN

    def _is_many(self, where: Compare) -> bool:
        return where.field in self.many or (self.rows is None and "." in where.field)


def _op(condition: Condition) -> Op | None:
    return condition.where.op if isinstance(condition.where, Compare) else None
