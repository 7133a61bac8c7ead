"""Translates conditions on metadata and documents, in the syntax of Chroma and Pinecone, to SQL expressions.

The metadata of a row is one JSON object. The expression for a condition is NULL where the key is missing. WHERE, AND
and OR treat NULL as false; before a NOT it is replaced by 0. Values keep their types: numbers compare with numbers
(1 equals 1.0), text with text, booleans with booleans. A record without the key passes $ne, $nin and
{"$exists": False}, and no other condition. Declared fields have columns of their own, on which SQLite may have an index.
"""
from __future__ import annotations

import json
import math
from typing import Any, Callable, Mapping, Sequence

from ._errors import InvalidError

Where = Mapping[str, Any]
Fields = Mapping[str, type]  # name of a declared field: str or float, the type of its column

_ORDER = {"$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
_OPERATORS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$contains", "$not_contains")


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_key(key: object) -> str:
    """The key, if it can be written in a JSON path; raises otherwise."""
    if not isinstance(key, str) or not key:
        raise InvalidError(f"metadata key {key!r}: keys are text, and not empty")
    if key.startswith("$") or '"' in key or "\\" in key or any(ord(letter) < 32 for letter in key):
        raise InvalidError(f"metadata key {key!r}: keys begin with no '$' and have no quotes, backslashes or control characters")
    return key


def text_literal(value: str) -> str:
    if "\0" in value:
        raise InvalidError(f"{value!r}: text with a NUL can be compared by $eq, $ne, $in and $nin alone")
    return "'" + value.replace("'", "''") + "'"


def number_literal(value: int | float) -> str:
    if isinstance(value, int):
        if not -2**63 <= value < 2**63:
            raise InvalidError(f"{value}: integers have 64 bits")
        return repr(value) if value > -2**63 else "(-9223372036854775807 - 1)"
    if math.isnan(value):
        raise InvalidError("nan cannot be compared")
    return repr(float(value)) if math.isfinite(value) else ("9e999" if value > 0 else "-9e999")


def column_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Key:
    """Builds SQL expressions about one metadata key."""

    def __init__(self, key: str, fields: Fields) -> None:
        path = text_literal(f'$."{check_key(key)}"')
        self.key = key
        self.kind = f"json_type(metadata, {path})"
        self.value = f"json_extract(metadata, {path})"
        self.json = f"(metadata -> {path})"  # JSON text, in which "1", 1 and true differ
        self.column = column_name(key) if key in fields else None
        self.type = fields.get(key)

    def exists(self) -> str:
        return f"{self.kind} <> 'null'"

    def indexed(self, values: Sequence[Any]) -> bool:
        """Whether the key has a column that can be compared with these values."""
        return self.column is not None and all(isinstance(value, str) and "\0" not in value if self.type is str else is_number(value)
                                               for value in values)

    def equals(self, values: Sequence[Any]) -> str:
        """The key's value equals one of the values."""
        if values and self.indexed(values):
            return f"{self.column} IN ({', '.join(map(_literal, values))})"
        numbers = [number_literal(value) for value in values if is_number(value)]
        others = [text_literal(json.dumps(value, ensure_ascii=False)) for value in values if isinstance(value, (str, bool))]
        if len(numbers) + len(others) < len(values):
            raise InvalidError(f"'{self.key}' is compared with {_first_odd(values)!r}; values are text, numbers and booleans")
        parts = []
        if numbers:
            parts.append(f"{self.kind} IN ('integer', 'real') AND {self.value} IN ({', '.join(numbers)})")
        if others:
            parts.append(f"{self.json} IN ({', '.join(others)})")
        return f"({' OR '.join(parts)})" if parts else "0"

    def ordered(self, operator: str, value: Any) -> str:
        if self.indexed([value]):
            return f"{self.column} {operator} {_literal(value)}"
        if is_number(value):
            return f"({self.kind} IN ('integer', 'real') AND {self.value} {operator} {number_literal(value)})"
        if isinstance(value, str):
            return f"({self.kind} = 'text' AND {self.value} {operator} {text_literal(value)})"
        if isinstance(value, bool):
            return "0"
        raise InvalidError(f"'{self.key}' is compared with {value!r}; values are text, numbers and booleans")

    def contains(self, value: Any) -> str:
        """The key's value is a text that contains the given text, or a list of texts with that element."""
        if not isinstance(value, str):
            raise InvalidError(f"'{self.key}': $contains takes text, not {value!r}")
        element = text_literal(json.dumps(value, ensure_ascii=False))
        return (f"CASE {self.kind} WHEN 'text' THEN instr({self.value}, {text_literal(value)}) > 0 "
                f"WHEN 'array' THEN instr({self.json}, {element}) > 0 END")


def _negated(expression: str) -> str:
    return f"NOT coalesce({expression}, 0)"


def _literal(value: Any) -> str:
    return text_literal(value) if isinstance(value, str) else number_literal(value)


def _first_odd(values: Sequence[Any]) -> Any:
    return next(value for value in values if not isinstance(value, (str, bool)) and not is_number(value))


def _list(operator: str, values: Any) -> Sequence[Any]:
    if not isinstance(values, (list, tuple, set, frozenset)):
        raise InvalidError(f"{operator} takes a list, not {values!r}")
    return list(values)


def _apply(key: _Key, operator: str, value: Any) -> str:
    if operator in _ORDER:
        return key.ordered(_ORDER[operator], value)
    if operator in ("$eq", "$ne"):
        expression = key.equals([value])
    elif operator in ("$in", "$nin"):
        expression = key.equals(_list(operator, value))
    elif operator == "$exists":
        return key.exists() if value else _negated(key.exists())
    elif operator in ("$contains", "$not_contains"):
        expression = key.contains(value)
    else:
        raise InvalidError(f"'{key.key}': unknown operator {operator!r}; there are {', '.join(_OPERATORS)}")
    return _negated(expression) if operator in ("$ne", "$nin", "$not_contains") else expression


def _junction(where: Where, leaf: Callable[[str, Any], str]) -> str:
    """The conjunction of all conditions of a mapping. The values of "$and" and "$or" are lists of such mappings; leaf
    translates every other entry."""
    if not isinstance(where, Mapping):
        raise InvalidError(f"a condition is a dict, not {where!r}")
    parts = []
    for name, value in where.items():
        if name in ("$and", "$or"):
            if not isinstance(value, (list, tuple)):
                raise InvalidError(f"{name} takes a list of conditions, not {value!r}")
            neutral = "1" if name == "$and" else "0"
            word = " AND " if name == "$and" else " OR "
            parts.append("(" + (word.join(_junction(one, leaf) for one in value) or neutral) + ")")
        else:
            parts.append(leaf(name, value))
    return "(" + (" AND ".join(parts) or "1") + ")"


def metadata_condition(where: Where | None, fields: Fields) -> str | None:
    """A condition such as {"price": {"$lt": 5}, "kind": "book"} as SQL over the column metadata and the columns of
    declared fields; None without a condition."""

    def leaf(name: str, value: Any) -> str:
        key = _Key(name, fields)
        operators = value if isinstance(value, Mapping) else {"$eq": value}
        return "(" + (" AND ".join(_apply(key, operator, one) for operator, one in operators.items()) or "1") + ")"

    return _junction(where, leaf) if where else None


def document_condition(where_document: Where | None) -> str | None:
    """A condition such as {"$contains": "text"} as SQL over the column document; None without a condition."""

    def leaf(name: str, value: Any) -> str:
        if name not in ("$contains", "$not_contains"):
            raise InvalidError(f"where_document: unknown operator {name!r}; there are $contains, $not_contains, $and, $or")
        if not isinstance(value, str):
            raise InvalidError(f"where_document: {name} takes text, not {value!r}")
        found = f"instr(document, {text_literal(value)}) > 0"
        return found if name == "$contains" else _negated(found)

    return _junction(where_document, leaf) if where_document else None
