"""Settings of the SOAP backend: which service, how it is spoken to, and which operations make its records entities.

Names of services, ports, operations and elements come from here and from nowhere else. They are held against the WSDL
at start; one that is not there raises `SettingsError` with the nearest right name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from backends.kit.http.settings import (
    BasicSettings,
    BearerSettings,
    ClientCredentialsSettings,
    HeaderKeySettings,
    JwtBearerSettings,
    LimitSettings,
    NoAuthSettings,
    QueryKeySettings,
    Section,
    TlsSettings,
    base_url,
)
from backends.soap.call_settings import (
    CallSettings,
    Constant,
    CreateSettings,
    ErrorSettings,
    FilterSettings,
    GetSettings,
    LinksSettings,
    ListSettings,
    PathText,
    Template,
    WriteSettings,
    several,
)

RESERVED = frozenset({"key", "value", "values"})
Type = Literal["str", "int", "decimal", "bool", "date", "datetime", "bytes"]


class UsernameTokenSettings(Section):
    """WS-Security with a name and a password."""

    type: Literal["username_token"] = Field(description="A WS-Security UsernameToken.")
    username: str = Field(description="The name.")
    password: SecretStr = Field(description="The password.")
    digest: bool = Field(default=False, description="Whether the password is sent as a digest, with nonce and time.")
    timestamp_seconds: int | None = Field(
        default=None, gt=0, description="Adds a timestamp after which the message is void; none if not given."
    )


class SignatureSettings(Section):
    """WS-Security with an X.509 certificate: the body, and the timestamp, are signed with RSA and SHA-256."""

    type: Literal["signature"] = Field(description="A WS-Security signature (needs the extra `soap-x509`).")
    key: Path = Field(description="The private key (PEM).")
    certificate: Path = Field(description="The certificate (PEM).")
    key_password: SecretStr | None = Field(default=None, description="What the private key is encrypted with.")
    binary_token: bool = Field(
        default=True, description="Whether the certificate goes as a BinarySecurityToken, or inside the key info."
    )
    timestamp_seconds: int | None = Field(
        default=300, gt=0, description="Adds a signed timestamp after which the message is void; none if `null`."
    )
    username: str | None = Field(default=None, description="A UsernameToken besides: its name.")
    password: SecretStr | None = Field(default=None, description="Its password.")


class SessionSettings(Section):
    """Where the login's answer has the session, one of the two."""

    at: PathText | None = Field(default=None, description="In the answer, at this path.")
    cookie: str | None = Field(default=None, description="In a cookie of that name, which is sent with every call.")

    @model_validator(mode="after")
    def _one(self) -> SessionSettings:
        if (self.at is None) == (self.cookie is None):
            raise ValueError("the session comes in one of at and cookie")
        return self


class LoginSettings(CallSettings):
    """An operation that opens a session; it goes with every call as `{@session}` in arguments or headers."""

    session: SessionSettings = Field(description="Where the answer has the session.")
    headers_of_calls: dict[str, Template] = Field(
        default_factory=dict,
        description="SOAP headers of all other calls: `{'{urn:hr}Session': {id: '{@session}'}}`.",
    )
    life_seconds: float = Field(
        default=900.0,
        gt=0,
        description="How long a session lives; it is renewed before, or when refused.",
    )


class ColumnSettings(Section):
    """One column of the rows a field is made of."""

    path: PathText | None = Field(default=None, description="Where the element has it, if not under its name.")
    type: Type | None = Field(
        default=None,
        description="`str`, `int`, `decimal`, `bool`, `date`, `datetime` or `bytes`; as the WSDL says if not given.",
    )
    words: tuple[str, str] | None = Field(
        default=None, description="What stands for false and for true, where it is a text: `['N', 'Y']`."
    )
    format: str | None = Field(
        default=None, description="Of dates in texts: a format of strptime, `epoch` or `epoch_ms`."
    )
    letters: Literal["lower", "upper"] | None = Field(
        default=None, description="The system turns it into small letters, or capitals."
    )
    empty: Literal["auto", "nil", "missing", "text"] = Field(
        default="auto",
        description="How no value is sent: as `xsi:nil`, by leaving the element out, or as an empty element; by what "
        "the WSDL allows if `auto`, in this order (in arguments a text is sent empty rather than left out).",
    )

    @field_validator("words", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return [str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in several(value) or ()]


class FieldSettings(ColumnSettings):
    """One field of an entity's records."""

    many: bool = Field(default=False, description="Whether it has many values: `path: tags.tag[*]`.")
    rows: dict[str, ColumnSettings] | None = Field(
        default=None, description="The columns of each element, where it is a list of elements with children."
    )
    row_key: tuple[str, ...] = Field(default=(), description="The columns that tell the elements apart.")
    refers: str | None = Field(default=None, description="The entity whose keys it holds.")
    links: LinksSettings | None = Field(
        default=None, description="Operations of its own that list, add and remove its values."
    )
    unique: bool = Field(default=False, description="No two records have the same.")
    required: bool = Field(default=False, description="It may not be empty.")
    max_length: int | None = Field(
        default=None, ge=1, description="The longest text, in characters; as the schema says if not given."
    )
    write: Literal["always", "create", "never"] | None = Field(
        default=None, description="When it may be written; by the calls there are if not given."
    )
    secret: bool = Field(default=False, description="Whether its value is masked where calls are explained.")

    @field_validator("rows", mode="before")
    @classmethod
    def _columns(cls, value: Any) -> Any:
        return {name: _short(one) for name, one in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="before")
    @classmethod
    def _implied(cls, value: Any) -> Any:
        if isinstance(value, dict) and (value.get("rows") is not None or value.get("links") is not None):
            return {"many": True, **value}
        return value

    @model_validator(mode="after")
    def _sound(self) -> FieldSettings:
        if (self.rows is not None or self.links is not None) and not self.many:
            raise ValueError("many: cannot be false here")
        if self.rows is not None and (self.links is not None or self.refers is not None):
            raise ValueError("rows have neither links nor references")
        if set(self.row_key) - (self.rows or {}).keys():
            raise ValueError("row_key names no column of the rows")
        return self


def _short(value: Any) -> Any:
    """Read `name: path` as `name: {path: path}`."""
    return {"path": value} if isinstance(value, str) else {} if value is None else value


Calls = BeforeValidator(several)
Values = Annotated[tuple[Constant, ...], BeforeValidator(several)]


class EntitySettings(Section):
    """One entity: a kind of record, and the operations on it. What has no operation is not offered."""

    key: PathText = Field(description="Where a record has its key.")
    where: dict[PathText, Values] = Field(
        default_factory=dict,
        description="Only records with these values exist for the gateway; new ones get them (of a list, the first).",
    )
    skip: dict[PathText, Values] = Field(
        default_factory=dict,
        description="Records with one of these values are none: the placeholders some systems put in empty lists.",
    )
    defaults: dict[PathText, Constant] = Field(
        default_factory=dict, description="Values of new records nobody else gives, in `{@record}`."
    )
    fields: dict[str, FieldSettings] = Field(min_length=1, description="The fields, by name; `name: path` for short.")
    version: PathText | None = Field(
        default=None, description="Where a record has a version that is sent back as `{@version}` with a change."
    )
    get: GetSettings | None = Field(default=None, description="Reads one record.")
    list: ListSettings | None = Field(default=None, description="Lists records.")
    filters: tuple[FilterSettings, ...] = Field(default=(), description="What the system can be asked for.")
    create: Annotated[tuple[CreateSettings, ...], Calls] = Field(default=(), description="Makes a record.")
    update: Annotated[tuple[WriteSettings, ...], Calls] = Field(default=(), description="Changes a record.")
    delete: Annotated[tuple[WriteSettings, ...], Calls] = Field(default=(), description="Deletes a record.")
    look_first: bool = Field(
        default=False,
        description="Whether to read a record before its delete, where the system deletes what is not there.",
    )
    errors: tuple[ErrorSettings, ...] = Field(
        default=(), description="Faults and answers with a meaning of their own, looked through before the service's."
    )

    @field_validator("fields", mode="before")
    @classmethod
    def _fields(cls, value: Any) -> Any:
        return {name: _short(one) for name, one in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _names(self) -> EntitySettings:
        if wrong := [name for name in self.fields if "." in name or name.startswith("@") or name in RESERVED]:
            raise ValueError(f"not a field name: {wrong[0]}")
        if self.list is None and self.get is None:
            raise ValueError("an entity needs a get or a list")
        if self.get is None and any(one is not None and one.thin for one in self._lists()):
            raise ValueError("a thin list needs a get")
        for item in self.filters:
            field, _, column = item.field.partition(".")
            declared = self.fields.get(field)
            if item.field != "@key" and declared is None:
                raise ValueError(f"filters: there is no field {field}")
            if column and (declared is None or column not in (declared.rows or {})):
                raise ValueError(f"filters: there is no column {item.field}")
            if item.call is None and self.list is None:
                raise ValueError(f"filters: {item.field} needs a call, there is no list")
            if item.query is not None and (self.list is None or self.list.query is None):
                raise ValueError(f"filters: {item.field} has a query, the list has none")
        for call in (*self.create, *self.update):
            if unknown := [name for name in (*(call.fields or ()), *call.when) if name not in self.fields]:
                raise ValueError(f"a call names a field there is not: {unknown[0]}")
            if call.each is not None:
                raise ValueError("each is for a delete")
        if self.create and not any(call.key for call in self.create):
            raise ValueError("create: one of the calls says where the key comes from")
        return self

    def _lists(self) -> tuple[ListSettings | None, ...]:
        return (self.list, *(item.call for item in self.filters))


class SoapSettings(Section):
    """A SOAP service and its entities."""

    wsdl: str = Field(description="The WSDL: a file, or a URL that is read once at start.")
    imports: tuple[str, ...] = Field(
        default=(),
        description="URLs the WSDL may import; one that ends in `*` allows all that begin so. Others are refused.",
    )
    endpoint: Annotated[tuple[str, ...], BeforeValidator(several)] = Field(
        default=(),
        description="Where calls are sent, in place of the address in the WSDL; of several, the next is tried when one "
        "cannot be connected to.",
    )
    service: str | None = Field(default=None, description="The service; needed where the WSDL has several.")
    port: str | None = Field(default=None, description="The port; the first that speaks SOAP if not given.")
    auth: Annotated[
        NoAuthSettings
        | BasicSettings
        | BearerSettings
        | HeaderKeySettings
        | QueryKeySettings
        | ClientCredentialsSettings
        | JwtBearerSettings,
        Field(discriminator="type"),
    ] = Field(default_factory=NoAuthSettings, description="The gateway's own credentials, in HTTP.")
    security: Annotated[UsernameTokenSettings | SignatureSettings, Field(discriminator="type")] | None = Field(
        default=None, description="The gateway's own credentials, in WS-Security headers."
    )
    login: LoginSettings | None = Field(default=None, description="An operation that opens a session.")
    secrets: dict[str, SecretStr] = Field(
        default_factory=dict, description="Passwords and keys in arguments, as `{@secret.name}`; always masked."
    )
    tls: TlsSettings = Field(default_factory=TlsSettings, description="Certificates; they are always verified.")
    proxy: SecretStr | None = Field(
        default=None, description="A proxy towards the system: `http://user:password@proxy.example.com:3128`."
    )
    limits: LimitSettings = Field(default_factory=LimitSettings, description="Times and sizes.")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="HTTP headers of every call; their values are kept out of sight."
    )
    timezone: str = Field(default="UTC", description="The zone of times the system writes without one.")
    strict: bool = Field(
        default=True,
        description="Whether an answer must have the namespace the WSDL says; the name of its element must fit anyway.",
    )
    ping: CallSettings | None = Field(
        default=None,
        description="The cheapest operation that proves the system works; a GET of the endpoint if none.",
    )
    errors: tuple[ErrorSettings, ...] = Field(
        default=(), description="Faults and answers with a meaning of their own, looked through last."
    )
    at_once: int = Field(default=8, ge=1, le=64, description="Calls made at once where one answer takes many.")
    entities: dict[str, EntitySettings] = Field(min_length=1, description="The entities, by name.")

    @field_validator("endpoint")
    @classmethod
    def _absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            base_url(url)
        if len(value) > 1 and any("?" in url or url.endswith("/") for url in value):
            raise ValueError("of several endpoints, none has a query or ends in a slash")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"there is no time zone {value!r}") from None
        return value

    @model_validator(mode="after")
    def _entities(self) -> SoapSettings:
        for name, entity in self.entities.items():
            for field_name, field in entity.fields.items():
                if field.refers is not None and field.refers not in self.entities:
                    raise ValueError(f"entities.{name}.fields.{field_name}.refers: there is no entity {field.refers}")
            if entity.list is not None and entity.list.each is not None and entity.list.each not in self.entities:
                raise ValueError(f"entities.{name}.list.each: there is no entity {entity.list.each}")
            for call in entity.delete:
                other, _, far = (call.each or "").partition(".")
                if call.each is not None and (other not in self.entities or far not in self.entities[other].fields):
                    raise ValueError(f"entities.{name}.delete.each: there is no {call.each}")
        return self
