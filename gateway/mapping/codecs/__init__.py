"""Codecs: named two-way translations between a SCIM value and a native one, each proven by the round-trip laws.

One of your own is a `Factory` that makes a `Codec`; `compile_mapping` takes them beside these, by name.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.mapping.codecs.base import Answer, Ask, Codec, Factory, Refused, Site
from gateway.mapping.codecs.lists import join, part, split
from gateway.mapping.codecs.numbers import number, zeros
from gateway.mapping.codecs.secrets import hashed
from gateway.mapping.codecs.states import absent, contains, lacks, present
from gateway.mapping.codecs.tables import flag, values
from gateway.mapping.codecs.text import (
    charset,
    empty,
    folded,
    length,
    lower,
    padded,
    prefix,
    regex,
    suffix,
    template,
    transliterate,
    upper,
)
from gateway.mapping.codecs.times import day, timestamp, until

__all__ = ["BUILT_IN", "Answer", "Ask", "Codec", "Factory", "Refused", "Site"]

BUILT_IN: Mapping[str, Factory] = MappingProxyType(
    {
        "absent": absent,
        "charset": charset,
        "contains": contains,
        "date": day,
        "empty": empty,
        "flag": flag,
        "fold": folded,
        "hash": hashed,
        "join": join,
        "lacks": lacks,
        "length": length,
        "lower": lower,
        "number": number,
        "padded": padded,
        "part": part,
        "prefix": prefix,
        "present": present,
        "regex": regex,
        "split": split,
        "suffix": suffix,
        "template": template,
        "timestamp": timestamp,
        "transliterate": transliterate,
        "until": until,
        "upper": upper,
        "values": values,
        "zeros": zeros,
    }
)
"""The codecs by the names they have in a configuration."""
