"""Settings of single calls: which operation, what it is given, where its answer has what is wanted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from backends.kit.http.settings import Section
from backends.kit.paths import Path, PathError
from backends.kit.templates import TemplateError, Text, names, shape

Constant = bool | int | float | str | None
"""A value written in the configuration."""
Meaning = Literal[
    "ok",
    "unchanged",
    "not_found",
    "conflict",
    "stale",
    "rejected",
    "denied",
    "unsupported",
    "unavailable",
    "expired",
]


def _path(text: str) -> str:
    try:
        Path.parse(text)
    except PathError as error:
        raise ValueError(str(error)) from None
    return text


def _template(text: str) -> str:
    try:
        Text.parse(text)
    except TemplateError as error:
        raise ValueError(str(error)) from None
    return text


def _shape(value: Any) -> Any:
    try:
        list(names(shape(value)))
    except TemplateError as error:
        raise ValueError(str(error)) from None
    return value


def several(value: Any) -> Any:
    """Read one as a list of one."""
    return value if isinstance(value, list | tuple) or value is None else (value,)


PathText = Annotated[str, AfterValidator(_path)]
"""A path of the language of `backends.kit.paths`; `"@name"` is an attribute, `"#"` the text beside attributes."""
TemplateText = Annotated[str, AfterValidator(_template)]
"""A text with `{placeholders}`."""
Template = Annotated[Any, AfterValidator(_shape)]
"""Texts with `{placeholders}`, nested in mappings and lists."""


class ErrorSettings(Section):
    """One way to recognise a fault, or an error inside a normal answer; the conditions given must all hold."""

    fault: Annotated[tuple[str, ...], BeforeValidator(several)] | None = Field(
        default=None,
        description="It is a fault with one of these codes, or subcodes, or names of its detail's element: `Client`, "
        "`DuplicateFault`; `*` is any fault. If not given, it is a normal answer.",
    )
    at: PathText | None = Field(
        default=None,
        description="A path in the answer, or of a fault in `{code, subcodes, text, detail}`: something must be there.",
    )
    equals: Annotated[tuple[Constant, ...], BeforeValidator(several)] | None = Field(
        default=None, description="It is this, or one of these."
    )
    differs: Annotated[tuple[Constant, ...], BeforeValidator(several)] | None = Field(
        default=None, description="It is none of these."
    )
    contains: str | None = Field(default=None, description="It is a text with this in it, in capitals or not.")
    means: Meaning = Field(
        description="`not_found`, `conflict`, `stale`, `rejected`, `denied`, `unsupported`, `unavailable`; `expired`: "
        "log in again and repeat; `unchanged`: done before; `ok`: no error."
    )
    field: str | None = Field(default=None, description="The field it is about.")
    field_at: PathText | None = Field(default=None, description="Where the answer names the field it is about.")
    names: dict[str, str] = Field(
        default_factory=dict, description="Fields by the names the system has for them, where they differ."
    )
    maybe_done: bool = Field(default=False, description="Of `unavailable`: whether a write may be done all the same.")

    @model_validator(mode="after")
    def _conditions(self) -> ErrorSettings:
        if self.fault is None and self.at is None:
            raise ValueError("an error is recognised by fault or at")
        conditions = (self.equals, self.differs, self.contains)
        if self.at is None and any(one is not None for one in conditions):
            raise ValueError("equals, differs and contains need at")
        return self


class DecodeSettings(Section):
    """A text in the answer that is a document itself."""

    at: PathText = Field(description="Where the text is.")
    format: Literal["xml", "json"] = Field(default="xml", description="What it is.")


class CallSettings(Section):
    """One operation. Texts may hold `{field}`, `{key}`, `{@session}`, `{@secret.name}` and, where they have a meaning,
    `{value}`, `{values}`, `{@record}`, `{@limit}`, `{@offset}`, `{@page}`, `{@token}`, `{@handle}`, `{@query}`,
    `{@owner}`, `{@version}`; what has no value is left out."""

    operation: str = Field(description="The operation.")
    service: str | None = Field(default=None, description="The service it is of, if not the usual one.")
    port: str | None = Field(default=None, description="The port it is of, if not the usual one.")
    arguments: Template = Field(
        default=None,
        description="What it is given: elements by name, nested as the WSDL has them (`@name` for attributes), or a "
        "list of values in the WSDL's order.",
    )
    headers: dict[str, Template] = Field(
        default_factory=dict, description="SOAP headers of this call: `{namespace}Name` with its text or its elements."
    )
    decode: DecodeSettings | None = Field(
        default=None, description="A text in the answer that is XML or JSON itself and is read in its place."
    )
    write: bool | None = Field(
        default=None, description="Whether it may change something; if not given, by what it is used for."
    )
    errors: tuple[ErrorSettings, ...] = Field(
        default=(), description="Faults and answers with a meaning of their own, looked through before the entity's."
    )


class KeySettings(Section):
    """Where the key of a new record comes from, one of the three."""

    at: PathText | None = Field(default=None, description="The answer has it at this path.")
    field: str | None = Field(default=None, description="It is the value of this field.")
    find: str | None = Field(default=None, description="The record is searched by this field.")

    @model_validator(mode="after")
    def _one(self) -> KeySettings:
        if sum(place is not None for place in (self.at, self.field, self.find)) != 1:
            raise ValueError("the key comes from one of at, field and find")
        return self


class GetSettings(CallSettings):
    """Reads one record by `{key}`."""

    record: PathText = Field(default="", description="Where the answer has the record; nothing there: not found.")


class WriteSettings(CallSettings):
    """One call of a create, update or delete."""

    fields: tuple[str, ...] | None = Field(
        default=None,
        description="Made only if one of these is given or changed; if not given: the fields its arguments name.",
    )
    changed_only: bool = Field(
        default=False, description="Of an update: whether fields that stay as they are are left out of its arguments."
    )
    when: dict[str, Annotated[tuple[Constant, ...], BeforeValidator(several)]] = Field(
        default_factory=dict, description="Made only if these fields then have these values: `{enabled: false}`."
    )
    each: str | None = Field(
        default=None,
        description="Of a delete: made for each `{@owner}` whose `entity.field` refers to the record: `teams.members`.",
    )


class CreateSettings(WriteSettings):
    """One call of a create."""

    key: KeySettings | None = Field(default=None, description="Where the new record's key comes from.")


class HandleSettings(Section):
    """A query that is opened, read by index, and closed."""

    open: CallSettings = Field(description="Opens it.")
    handle: PathText = Field(description="Where the answer has the handle.")
    count: PathText | None = Field(default=None, description="Where the answer counts the matches.")
    close: CallSettings | None = Field(default=None, description="Closes it, given `{@handle}`.")


class PagingSettings(Section):
    """How a list is read part by part."""

    by: Literal["none", "offset", "page", "token"] = Field(
        default="none",
        description="`none`: one answer has all; `offset`: `{@offset}` and `{@limit}`; `page`: `{@page}` and "
        "`{@limit}`; `token`: `{@token}` from the answer before.",
    )
    size: int = Field(default=100, ge=1, le=10_000, description="How many are asked for at once (`{@limit}`).")
    first: int = Field(default=0, ge=0, description="The number of the first record, or page.")
    next: PathText | None = Field(default=None, description="Of `token`: where the answer has the next one.")
    handle: HandleSettings | None = Field(
        default=None, description="Of `offset`: the calls that open and close what `{@handle}` names."
    )
    short_is_last: bool = Field(
        default=False, description="Whether a part with fewer than asked for is the last; if not, an empty one is."
    )

    @model_validator(mode="after")
    def _fits(self) -> PagingSettings:
        if (self.by == "token") != (self.next is not None):
            raise ValueError("paging by token needs next, and only that does")
        if self.handle is not None and self.by != "offset":
            raise ValueError("a handle is read by offset")
        return self


class QuerySettings(Section):
    """A query text given to the list as `{@query}`, made of what the filters say."""

    every: str = Field(default="", description="The text that finds everything.")
    all_of: str | None = Field(default=None, description="What stands between conditions that must all hold: ` AND `.")
    any_of: str | None = Field(default=None, description="What stands between conditions of which one must: ` OR `.")
    open: str = Field(default="(", description="What begins a group of conditions.")
    close: str = Field(default=")", description="What ends it.")


class ListSettings(CallSettings):
    """Lists records."""

    records: PathText = Field(description="Where the answer has them: `people.person[*]`.")
    paging: PagingSettings = Field(default_factory=PagingSettings, description="How it is read part by part.")
    total: PathText | None = Field(default=None, description="Where the answer counts all matches.")
    thin: bool = Field(default=False, description="Whether elements lack fields, so that each record is read by `get`.")
    query: QuerySettings | None = Field(default=None, description="The query language of `{@query}`.")
    each: str | None = Field(
        default=None,
        description="The call is made for each record of this entity, `{@owner}`: for accounts that exist only as "
        "members of something. Who is found several times is there once.",
    )

    @property
    def counts(self) -> bool:
        """Whether an answer tells how many match in all."""
        return self.total is not None or (self.paging.handle is not None and self.paging.handle.count is not None)

    @model_validator(mode="after")
    def _fits(self) -> ListSettings:
        if self.each is not None and self.paging.by != "none":
            raise ValueError("a list made for each record of an entity is not paged")
        return self


class FilterSettings(Section):
    """A comparison the system can make."""

    field: str = Field(description="The field, `@key`, or `rows.column`.")
    op: Annotated[
        tuple[Literal["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "in"], ...], BeforeValidator(several)
    ] = Field(default=("eq",), description="The operators.")
    case: Literal["exact", "ignored"] = Field(
        default="exact", description="Whether the system minds capitals; where it does not, both can be asked for."
    )
    match: Literal["exact", "loose"] = Field(
        default="exact",
        description="`loose`: it may find more than asked for. Answers are looked through in any case.",
    )
    arguments: Template = Field(
        default=None, description="What is merged into the list's arguments: `{filter: {login: '{value}'}}`."
    )
    query: TemplateText | None = Field(
        default=None, description="The condition in the list's query language: `login = '{value}'`."
    )
    call: ListSettings | None = Field(default=None, description="A call of its own in place of the list's.")
    escape: dict[str, str] | None = Field(
        default=None,
        description='What stands for signs that mean something where the value goes, `{"\'": "\'\'"}`; a query needs '
        "it, or `signs`.",
    )
    signs: str | None = Field(
        default=None,
        description="The only signs a value may have, as in a regular expression's brackets: `A-Za-z0-9@._-`; a value "
        "with others is not asked for.",
    )
    values: int = Field(default=50, ge=1, description="Of `in`: how many `{values}` one call takes.")

    @field_validator("escape")
    @classmethod
    def _single(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        if value is not None and any(len(sign) != 1 for sign in value):
            raise ValueError("escape names single signs")
        return value

    @model_validator(mode="after")
    def _asked(self) -> FilterSettings:
        if sum(way is not None for way in (self.arguments, self.query, self.call)) != 1:
            raise ValueError("a filter has one of arguments, query and call")
        if self.query is not None and "in" in self.op:
            raise ValueError("a query asks for one value at a time: `in` needs arguments or a call")
        if self.query is not None and self.escape is None and self.signs is None and self.op != ("pr",):
            raise ValueError("a query needs to know how values are escaped: escape, or signs")
        return self


class LinksSettings(Section):
    """Calls that list, add and remove the values of one field, such as the members of a group."""

    list: ListSettings = Field(description="Lists the values of the record `{key}`.")
    value: PathText = Field(default="", description="Where an element of the list has the value.")
    add: WriteSettings | None = Field(default=None, description="Adds `{value}`, or several `{values}`.")
    remove: WriteSettings | None = Field(default=None, description="Removes `{value}`, or several `{values}`.")
    at_once: int = Field(default=1, ge=1, description="How many `{values}` one call takes.")
    compare: bool = Field(
        default=False,
        description="Read the list first and send what differs only, where the system does not say whether an addition "
        "or removal changed anything.",
    )

    @model_validator(mode="after")
    def _fits(self) -> LinksSettings:
        if self.list.paging.by not in ("none", "offset") or self.list.each is not None:
            raise ValueError("the values of a field come in one answer, or by offset")
        return self
