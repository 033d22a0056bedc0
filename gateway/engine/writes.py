"""Writes of single accounts: the backend first, then the store (DESIGN §7), and what an answer that was lost means."""

from __future__ import annotations

from backends.contract import (
    KEY,
    And,
    Change,
    Compare,
    ConflictError,
    DeniedError,
    Filter,
    Not,
    NotFoundError,
    Op,
    Outcome,
    Query,
    Record,
    RejectedError,
    Scalar,
    StaleError,
    UnavailableError,
    UnfinishedError,
    UnsupportedError,
)
from gateway.engine.accounts import Accounts
from gateway.engine.calls import Call
from gateway.engine.failures import translated
from gateway.engine.tenants import Served
from gateway.identity import UNCHANGED, Identity
from gateway.mapping import Delta
from gateway.scim.errors import ScimError

REFUSALS = (ConflictError, StaleError, RejectedError, DeniedError, UnsupportedError)
"""Errors that say for certain that nothing was done."""
ASKED = 64
"""Members whose presence is asked for in one question; for more the field is read."""


class Writes:
    """Changes and removes accounts that are there. Raises `ScimError`; an account found gone is buried (R-L5).

    A backend with `serialize` wants its caller to be `Accounts.alone` with the record.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def apply(
        self, call: Call, served: Served, identity: Identity, delta: Delta, *, expect: str | None = None
    ) -> tuple[Identity, bool]:
        """Apply a delta to the account, then to what the gateway keeps of it; tell whether anything changed (P4).

        Raises 412 if `expect` does not hold.
        """
        outcome = Outcome(changed=False)
        if delta.change:
            outcome = await self._update(call, served, identity, delta.change, expect)
        identities = self._accounts.identities
        if outcome.record is not None and outcome.record.key != identity.key:
            identity = await identities.rename(identity, outcome.record.key)
        # Each room has a mark of its own for "as it is"; here they meet.
        sent = delta.external_id
        external_id = sent if sent is None or isinstance(sent, str) else UNCHANGED
        index = served.mapping.index(delta.kept)
        altered = await identities.alter(
            identity, external_id=external_id, kept=delta.kept, index=index, touched=outcome.changed
        )
        return altered, altered != identity or outcome.changed

    async def remove(self, call: Call, served: Served, identity: Identity, *, expect: str | None = None) -> None:
        """Delete an account, then bury it: cut off in between, the next request finds the account gone."""
        with translated(served.mapping.attribute_of):
            try:
                await served.guard.delete(served.entity, identity.key, expect=expect, deadline=call.deadline)
            except NotFoundError:
                raise await self._accounts.gone(call, served, identity) from None
            except UnavailableError as error:
                if not error.maybe_done or await self._is_there(call, served, identity):
                    raise
        await self._accounts.identities.bury(identity)

    async def mark(self, call: Call, served: Served, identity: Identity, *, expect: str | None = None) -> None:
        """Give an account the mark of the dead, then bury it."""
        await self._update(call, served, identity, Change(set=served.mapping.dead_mark), expect)
        await self._accounts.identities.bury(identity)

    async def _update(
        self, call: Call, served: Served, identity: Identity, change: Change, expect: str | None
    ) -> Outcome:
        """Update; a change of the key is announced before, and taken back where it was certainly not made."""
        key = served.guard.renamed(served.entity, identity.key, change)
        if key == identity.key:
            return await self._updated(call, served, identity, change, expect)
        moves = self._accounts.moves
        await moves.begin(call, served, identity, key)
        try:
            outcome = await self._updated(call, served, identity, change, expect, to=key)
        except ScimError as error:
            cause = error.__cause__
            if isinstance(cause, REFUSALS) or (isinstance(cause, UnavailableError) and not cause.maybe_done):
                await moves.stay(identity, key)
            raise
        if outcome.record is None or outcome.record.key != key:
            await moves.stay(identity, key)
        return outcome

    async def _updated(
        self,
        call: Call,
        served: Served,
        identity: Identity,
        change: Change,
        expect: str | None,
        *,
        to: str | None = None,
    ) -> Outcome:
        identities = self._accounts.identities
        with translated(served.mapping.attribute_of):
            try:
                return await served.guard.update(
                    served.entity, identity.key, change, expect=expect, deadline=call.deadline
                )
            except NotFoundError:
                if to is not None:
                    await self._accounts.moves.stay(identity, to)
                raise await self._accounts.gone(call, served, identity) from None
            except UnfinishedError as error:
                if error.key is not None and error.key != identity.key:
                    identity = await identities.rename(identity, error.key)
                await identities.alter(identity, touched=True)
                raise
            except UnavailableError as error:
                if not error.maybe_done:
                    raise
                outcome = await self._settled(call, served, identity, change)
                if outcome is None:
                    # It may still come to be: nobody is to take what they saw for the present state.
                    await identities.alter(identity, touched=True)
                    raise
                return outcome

    async def _is_there(self, call: Call, served: Served, identity: Identity) -> bool:
        try:
            await served.guard.get(served.entity, identity.key, served.mapping.marks, deadline=call.deadline)
        except NotFoundError:
            return False
        return True

    async def _settled(self, call: Call, served: Served, identity: Identity, change: Change) -> Outcome | None:
        """Read back what became of a change whose answer was lost (R-L21); None if it is not done.

        Members are asked for one by one where that is possible, for a group may have a million.
        """
        question = _question(served, identity.key, change)
        try:
            if question is not None:
                query = Query(frozenset(change.set), question, limit=1)
                page = await served.guard.search(served.entity, query, deadline=call.deadline)
                return (
                    Outcome(changed=True)
                    if any(_shows(record, Change(change.set)) for record in page.records)
                    else None
                )
            record = await served.guard.get(served.entity, identity.key, _fields(change), deadline=call.deadline)
        except NotFoundError:
            return await self._moved(call, served, change)
        return Outcome(changed=True) if _shows(record, change) else None

    async def _moved(self, call: Call, served: Served, change: Change) -> Outcome | None:
        """Find an account whose key was among what was changed."""
        for value in change.set.values():
            if isinstance(value, str) and value:
                try:
                    record = await served.guard.get(served.entity, value, _fields(change), deadline=call.deadline)
                except NotFoundError:
                    continue
                known = await self._accounts.resolver.identify(call, served, [record.key], mint=False)
                if not known and _shows(record, change):
                    return Outcome(changed=True, record=record)
        return None


def _fields(change: Change) -> frozenset[str]:
    return frozenset((*change.set, *change.add, *change.remove))


def _shows(record: Record, change: Change) -> bool:
    """Tell whether a record is as a change was to make it; what cannot be told is no."""
    held = record.fields

    def among(name: str, value: object) -> bool:
        values = held[name]
        return isinstance(values, tuple) and value in values

    return (
        all(held[name] == value for name, value in change.set.items())
        and all(among(name, value) for name, values in change.add.items() for value in values)
        and not any(among(name, value) for name, values in change.remove.items() for value in values)
    )


def _question(served: Served, key: str, change: Change) -> Filter | None:
    """Ask whether single values came and went; None where the backend cannot be asked, or for too many of them."""
    filters, logic = served.capabilities.filters, served.capabilities.logic
    came = [(name, value) for name, values in change.add.items() for value in values]
    gone = [(name, value) for name, values in change.remove.items() for value in values]
    terms: list[Filter] = [Compare(KEY, Op.EQ, key)]
    for (name, value), wanted in [*((one, True) for one in came), *((one, False) for one in gone)]:
        if not isinstance(value, Scalar) or (Op.EQ, False) not in filters.get(name, {}):
            return None
        there = Compare(name, Op.EQ, value)
        terms.append(there if wanted else Not(there))
    able = "and" in logic and ("not" in logic or not gone) and (Op.EQ, False) in filters.get(KEY, {})
    return And(tuple(terms)) if able and 1 < len(terms) <= ASKED else None
