"""Personal columns in the prediction log: dropped, or replaced by a keyed hash.

The hash is HMAC-SHA256 with a secret of the deployment, so that the same value has the same hash in
log and labels, and no one without the secret finds out the value by trying all of them.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from slipway import project
from slipway.errors import SlipwayError
from slipway.numbers import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from slipway.project import Row
    from slipway.schema.checks import RowSchema

SECRET = "SLIPWAY_PERSONAL_SECRET"  # noqa: S105 - its name
"""Environment variable: the key of the hashes, text of `LEAST` characters or more."""

LEAST = 16

_DIGITS = 32


class Hasher:
    """Keyed hashes of values.

    Raises
    ------
    SlipwayError
        The environment has no secret, or a short one.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        secret = environment.get(SECRET, "").strip()
        if len(secret) < LEAST:
            raise SlipwayError(
                f"{SECRET} has {counted(len(secret), 'character')}, and columns of the schema are "
                "hashed",
                f"set it to a secret of {LEAST} or more, the same for service, labels and forget; "
                "see docs/privacy.md",
            )
        self._secret = secret.encode()

    def text(self, value: object) -> str:
        """Return the hash of a value: 32 hex digits. 12 and "12" have the same, as 12.0 has."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        return hmac.digest(self._secret, text.encode(), "sha256").hex()[:_DIGITS]


class Mask:
    """What the log does with the personal columns of a model's rows.

    Parameters
    ----------
    spec
        Result of `slipway.schema.export.export_schema`: `inputs` of the manifest.
    key
        The columns of the key.

    Raises
    ------
    SlipwayError
        A column is hashed, and there is no secret.
    """

    def __init__(
        self,
        spec: RowSchema,
        key: Sequence[str],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        ways = {column["name"]: column.get("personal", "") for column in spec}
        self._dropped = [name for name, way in ways.items() if way == "drop"]
        self._hashed = [name for name, way in ways.items() if way == "hash"]
        self._key = tuple(key)
        self._hides_key = not set(self._hashed).isdisjoint(key)
        self._hasher = Hasher(environment) if self._hashed else None

    def __bool__(self) -> bool:
        return bool(self._dropped or self._hashed)

    def row(self, sent: Row) -> Row:
        """Return a row as the log has it."""
        kept = dict(sent)
        for name in self._dropped:
            kept.pop(name, None)
        for name in self._hashed:
            if kept.get(name) is not None:
                kept[name] = self._hash(kept[name])
        return kept

    def key(self, key: Any) -> Any:
        """Return a key, as `slipway.project.row_keys` has it, as the log has it."""
        if not self._hides_key or key is None:
            return key
        if len(self._key) == 1:
            return self._hash(key)
        parts = zip(self._key, orjson.loads(key), strict=True)
        return project.joined_key(
            self._hash(part) if name in self._hashed else part for name, part in parts
        )

    def table(self, sent: pa.Table) -> pa.Table:
        """Return rows as the log has them; see `row`."""
        import pyarrow as pa

        kept = sent.drop_columns([name for name in self._dropped if name in sent.column_names])
        for name in self._hashed:
            encoded = kept[name].combine_chunks().dictionary_encode()
            words = [self._hash(value) for value in encoded.dictionary.to_pylist()]
            values = pa.array(words, pa.string()).take(encoded.indices)
            kept = kept.set_column(kept.column_names.index(name), name, values)
        return kept

    def _hash(self, value: Any) -> str:
        if self._hasher is None:
            raise ValueError("no column is hashed")
        return self._hasher.text(value)


def require_rows(spec: RowSchema, what: str) -> None:
    """Refuse to score records again whose rows lack personal columns; `what` names the command.

    Raises
    ------
    SlipwayError
        Names the columns.
    """
    names = [column["name"] for column in spec if "personal" in column]
    if names:
        listed = ", ".join(f"`{name}`" for name in names)
        raise SlipwayError(
            f"{what}: the records do not have the values of {listed}: personal columns are dropped "
            "or hashed in the log, so its rows cannot be scored again",
            "score the row from its source with `slipway score-batch`; see docs/privacy.md",
        )
