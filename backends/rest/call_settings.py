"""Settings of single calls: what is sent, where the answer has what is wanted, and what its errors mean."""

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


def several(value: Any) -> Any:
    """Read one as a list of one."""
    return value if isinstance(value, list | tuple) or value is None else (value,)


PathText = Annotated[str, AfterValidator(_path)]
"""A path of the language of `backends.kit.paths`."""
TemplateText = Annotated[str, AfterValidator(_template)]
"""A text with `{placeholders}`."""
Statuses = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[1-5](\d\d|xx)$")], ...],
    BeforeValidator(lambda value: tuple(str(one) for one in several(value))),
]
"""Statuses: `404`, or `4xx` for all that begin so."""


class ErrorSettings(Section):
    """One way to recognise an answer, and what it means; the conditions given must all hold."""

    status: Statuses = Field(default=(), description="One of these statuses: `409`, `5xx`; any if not given.")
    header: dict[str, str | None] = Field(
        default_factory=dict, description="Headers with these values; without a value, that are there at all."
    )
    at: PathText | None = Field(default=None, description="A path in the answer's body: something must be there.")
    equals: Annotated[tuple[Constant, ...], BeforeValidator(several)] | None = Field(
        default=None, description="It is this, or one of these."
    )
    contains: str | None = Field(default=None, description="It is a text with this in it, in capitals or not.")
    absent: bool = Field(default=False, description="It is not there, as in an answer to something else.")
    means: Meaning = Field(
        description="`not_found`, `conflict`, `stale`, `rejected`, `denied`, `unsupported`, `unavailable`; `expired`: "
        "log in again and repeat; `unchanged`: done before; `ok`: no error."
    )
    field: str | None = Field(default=None, description="The field it is about.")
    field_at: PathText | None = Field(default=None, description="Where the body names the field it is about.")
    names: dict[str, str] = Field(
        default_factory=dict, description="Fields by the names the system has for them, where they differ."
    )
    maybe_done: bool = Field(default=False, description="Of `unavailable`: whether a write may be done all the same.")

    @model_validator(mode="after")
    def _conditions(self) -> ErrorSettings:
        if not (self.status or self.header or self.at is not None):
            raise ValueError("an error is recognised by status, header or at")
        if self.at is None and (self.equals is not None or self.contains is not None or self.absent):
            raise ValueError("equals, contains and absent need at")
        if self.absent and (self.equals is not None or self.contains is not None):
            raise ValueError("what is absent neither equals nor contains anything")
        return self


class CallSettings(Section):
    """One HTTP call. Texts may hold `{field}`, `{key}` and, where they have a meaning, `{value}`, `{values}`,
    `{@limit}`, `{@offset}`, `{@page}`, `{@token}`, `{@version}`, `{@id}`; what has no value is left out."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(default="GET", description="The method.")
    path: TemplateText = Field(
        default="", description="Below the base URL; values are percent-encoded, each as one segment."
    )
    query: dict[str, TemplateText | tuple[TemplateText, ...]] = Field(default_factory=dict, description="The query.")
    headers: dict[str, TemplateText] = Field(default_factory=dict, description="Further headers.")
    json_body: Any = Field(
        default=None,
        alias="json",
        description="The body: nested, with placeholders; `{@record}` is the record. If not given and the method takes "
        "one, the record itself.",
    )
    form: dict[str, TemplateText] | None = Field(
        default=None, description="The body as a form; `{}` sends the record's members as one."
    )
    name: str | None = Field(default=None, description="What the call is named in the `envelope` (JSON-RPC).")
    write: bool | None = Field(
        default=None, description="Whether it may change something; if not given, by what it is used for."
    )
    errors: tuple[ErrorSettings, ...] = Field(
        default=(), description="Answers with a meaning of their own, looked through before the entity's."
    )

    @field_validator("json_body")
    @classmethod
    def _shape(cls, value: Any) -> Any:
        try:
            list(names(shape(value)))
        except TemplateError as error:
            raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _one_body(self) -> CallSettings:
        if self.form is not None and self.json_body is not None:
            raise ValueError("a call has one body: json or form")
        if self.path and not self.path.startswith("/"):
            raise ValueError("a path begins with /")
        return self


class KeySettings(Section):
    """Where the answer to a create has the new record's key, one of the four."""

    at: PathText | None = Field(default=None, description="In the body, at this path.")
    location: bool = Field(default=False, description="The last segment of the Location header.")
    header: str | None = Field(default=None, description="In a header.")
    field: str | None = Field(default=None, description="It is the value of this field.")
    find: str | None = Field(default=None, description="Nowhere: the record is searched by this field.")

    @model_validator(mode="after")
    def _one(self) -> KeySettings:
        places = (self.at, self.header, self.field, self.find)
        if sum(place is not None for place in places) + self.location != 1:
            raise ValueError("the key comes from one of at, location, header, field and find")
        return self


class GetSettings(CallSettings):
    """Reads one record."""

    record: PathText = Field(default="", description="Where the answer has the record.")


class WriteSettings(CallSettings):
    """One call of a create, update or delete."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(default="POST", description="The method.")
    fields: tuple[str, ...] | None = Field(
        default=None,
        description="The fields this call carries. If not given: those of `when`, else all that no other call has.",
    )
    when: dict[str, Constant] = Field(
        default_factory=dict, description="Make it only if these fields get these values: `{active: true}`."
    )
    send: Literal["changed", "whole", "known"] = Field(
        default="changed",
        description="What `{@record}` is in an update: the changed fields; the whole record as it was read, changed; "
        "or all declared fields.",
    )
    record: PathText | None = Field(
        default=None, description="Where the answer has the record as it is now; it is read again if not given."
    )


class CreateSettings(WriteSettings):
    """One call of a create; the first one makes the record."""

    key: KeySettings | None = Field(
        default=None, description="Where the key is; if not given, in the record of the answer."
    )


class PagingSettings(Section):
    """How a list is read part by part. The call says where the position goes, by its placeholder."""

    style: Literal["none", "offset", "page", "token", "marker", "next", "link"] = Field(
        default="none",
        description="`none`: all at once; `offset`: `{@offset}` records are skipped; `page`: `{@page}` is counted; "
        "`token`: the answer has the next `{@token}`; `marker`: `{@token}` is taken from the last record; `next`: the "
        "answer has the next URL; `link`: the Link header has it.",
    )
    size: int = Field(default=100, ge=1, le=10_000, description="Records asked for at once, `{@limit}`.")
    first: int = Field(default=0, description="The number of the first page, or of the first record's offset.")
    at: PathText | None = Field(
        default=None, description="`token`, `next`: where the body has it; `marker`: where a record has it (its key)."
    )
    header: str | None = Field(default=None, description="`token`: the header that has it.")
    more: PathText | None = Field(default=None, description="Where the body says true while there are more.")
    end: Literal["empty", "short"] = Field(
        default="empty",
        description="What the last part looks like: nothing in it; or fewer than asked for, where the system promises "
        "to fill every other (that saves one call).",
    )

    @model_validator(mode="after")
    def _position(self) -> PagingSettings:
        if self.style == "token" and (self.at is None) == (self.header is None):
            raise ValueError("a token comes from at or from header")
        if self.style == "next" and self.at is None:
            raise ValueError("next needs at: where the body has the URL")
        return self


class ListSettings(CallSettings):
    """Lists records."""

    records: PathText = Field(default="", description="Where the answer has the list; the answer itself if not given.")
    record: PathText = Field(default="", description="Where an element of it has the record.")
    paging: PagingSettings = Field(default_factory=PagingSettings, description="How it is read part by part.")
    thin: bool = Field(default=False, description="Whether elements lack fields, so that each record is read by `get`.")
    key: PathText | None = Field(
        default=None, description="Where an element of a thin list has the key, if not where a record has it."
    )
    total: PathText | None = Field(default=None, description="Where the answer counts all matches.")
    total_header: str | None = Field(default=None, description="The header that counts all matches.")
    sort: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="Fields the system sorts by, each with the query to add; `{@order}` is `asc` or `desc`. Empty "
        "values come last when ascending.",
    )


class FilterSettings(Section):
    """A comparison the system can make."""

    field: str = Field(description="The field, `@key`, or `rows.column`.")
    op: Annotated[
        tuple[Literal["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "in"], ...], BeforeValidator(several)
    ] = Field(default=("eq",), description="The operators.")
    case: Literal["exact", "ignored"] = Field(
        default="exact", description="Whether the system minds capitals; where it does not, both can be asked for."
    )
    exact: bool = Field(
        default=False,
        description="A promise that the system finds these and no others, so that its count can be used. Answers are "
        "looked through in any case.",
    )
    query: dict[str, TemplateText | tuple[TemplateText, ...]] = Field(
        default_factory=dict, description="What is added to the list's query: `{login: '{value}'}`."
    )
    body: Any = Field(default=None, alias="json", description="What is merged into the list's body.")
    call: ListSettings | None = Field(default=None, description="A call of its own in place of the list's.")
    one: bool = Field(
        default=False,
        description="Whether its answer is one record (or not found) and no list: `/users/by-name/{value}`.",
    )
    escape: dict[str, str] = Field(
        default_factory=dict,
        description="What stands for signs that mean something where the value goes, in a query text for example.",
    )
    values: int = Field(default=50, ge=1, description="Of `in`: how many `{values}` one call takes.")
    join: str = Field(default=",", description="Of `in`: what stands between them in a text.")

    @model_validator(mode="after")
    def _asked(self) -> FilterSettings:
        if not self.query and self.body is None and self.call is None:
            raise ValueError("a filter needs a query, a json or a call")
        return self


class LinksSettings(Section):
    """Calls that list, add and remove the values of one field, a sub-resource of the record."""

    list: ListSettings = Field(description="Lists the values.")
    value: PathText = Field(default="", description="Where an element has the value.")
    add: WriteSettings | None = Field(default=None, description="Adds `{value}`, or several `{values}`.")
    remove: WriteSettings | None = Field(default=None, description="Removes `{value}`, or several `{values}`.")
    replace: WriteSettings | None = Field(
        default=None, description="Puts `{values}` in place of all; used where add or remove is not given."
    )
    at_once: int = Field(default=1, ge=1, description="How many `{values}` one call takes.")
    compare: bool = Field(
        default=False,
        description="Read the list first and send what differs only, where the system does not say whether an addition "
        "or removal changed anything.",
    )
