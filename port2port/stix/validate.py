"""From bytes to a ``ValidObject``, strictly and fast: the object step of intake and of every receiver.

1. size: at most ``LIMITS.object_bytes``
2. depth: at most ``LIMITS.json_depth``, counted before anything recursive sees the bytes
3. canonical JSON of the safe subset: these exact bytes are what was committed to
4. a type of the profile (of foreign objects: any)
5. the type's own JSON Schema, and no property beyond it but ``x_`` ones and top-level extensions (of foreign objects:
   what is common to all types, for a type that others made, and any property)
6. semantics that a schema cannot say (``semantics``)
7. the STIX pattern's grammar, through a cache of templates

Whatever the bytes are, the answer is a ``ValidObject`` or a ``ProfileError``. The object is never changed and
never serialised again.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from port2port import canonical
from port2port.errors import MalformedError, ProfileError
from port2port.limits import LIMITS
from port2port.stix import semantics
from port2port.stix.markings import effective_marking
from port2port.stix.profile import OUTLET_TYPES, TYPES
from port2port.stix.schema_files import Schemas

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from port2port.canonical import Json
    from port2port.patterns import TemplateCache
    from port2port.tlp import Tlp

logger = logging.getLogger(__name__)

# What no other federation or vendor can mean by these words.
_NEVER_FOREIGN: Final = OUTLET_TYPES | {"bundle"}
# A string (closed or not: it always matches, so that nothing is scanned twice) or one bracket.
_DEPTH: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidObject:
    """A STIX object that passed every step. ``data`` is for reading; the bytes stay what is stored and sent.

    What else it says is read from ``data`` when somebody asks, since most readers ask for little of it.
    ``shape`` is the template of its pattern, ``template_miss`` that the cache did not know it.
    """

    id: str
    type: str
    data: Mapping[str, Json]
    shape: str | None = field(default=None, compare=False)
    template_miss: bool = field(default=False, compare=False)

    @property
    def created(self) -> datetime | None:
        """When its first version was made; None: it has no versions."""
        return semantics.moment(self.data, "created")

    @property
    def modified(self) -> datetime | None:
        """When this version was made; None: it has no versions."""
        return semantics.moment(self.data, "modified")

    @property
    def created_by_ref(self) -> str | None:
        """Whose it is, as it says itself."""
        return semantics.text(self.data, "created_by_ref")

    @property
    def marking_refs(self) -> tuple[str, ...]:
        """The markings of the object and of any part of it."""
        return semantics.marking_refs(self.data)

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, empty if it has none."""
        return semantics.texts(self.data, "labels")

    @property
    def revoked(self) -> bool:
        """Whether it says that it no longer holds."""
        return self.data.get("revoked") is True

    @property
    def pattern(self) -> str | None:
        """The pattern of an indicator in the STIX language."""
        return semantics.stix_pattern(self.data)

    @property
    def valid_from(self) -> datetime | None:
        """Since when an indicator is to be looked for; None: it is no indicator."""
        return semantics.moment(self.data, "valid_from") if self.type == "indicator" else None

    @property
    def valid_until(self) -> datetime | None:
        """Until when an indicator is to be looked for; None: it does not say, or is none."""
        return semantics.moment(self.data, "valid_until") if self.type == "indicator" else None

    @property
    def template(self) -> bytes | None:
        """The SHA-256 of its pattern's shape."""
        return None if self.shape is None else sha256(self.shape.encode()).digest()

    @property
    def tlp(self) -> Tlp | None:
        """The strictest TLP label of the object and of its granular markings; None: unmarked."""
        return effective_marking(self.marking_refs)


class StixValidator:
    """The steps above with the compiled schemas and the template cache; one per process, shared by its
    threads.
    """

    def __init__(self, templates: TemplateCache, *, types: frozenset[str] = TYPES, foreign: bool = False) -> None:
        """``types`` are those that statements carry; who reads an outlet adds ``profile.OUTLET_TYPES``.

        ``foreign`` is for what comes from outside the federation and is no statement's yet: types and properties that
        others made are carried, while structure, ids, times, references, markings and sizes are checked as always.
        """
        self._templates = templates
        self._types = types
        self._foreign = foreign
        self._schemas = Schemas()

    def validate(self, raw: bytes) -> ValidObject:
        """Raises ProfileError, whatever the bytes are."""
        try:
            return self._validate(raw)
        except ProfileError:
            raise
        except MalformedError as error:
            raise ProfileError(error.text, **error.facts) from error
        except Exception as error:
            # The contract of this function: what a library did not foresee refuses this object and no other.
            logger.exception("object validation failed unexpectedly", extra={"kind": type(error).__name__})
            raise ProfileError("the object could not be validated") from error

    def _validate(self, raw: bytes) -> ValidObject:
        if len(raw) > LIMITS.object_bytes:  # 1
            raise ProfileError(f"an object has at most {LIMITS.object_bytes} bytes", size=len(raw))
        require_depth(raw)  # 2
        data = canonical.loads_object(raw, limit=LIMITS.object_bytes)  # 3
        kind = data.get("type")
        if not isinstance(kind, str):
            raise ProfileError("an object says of which type it is")
        schema = self._schema(kind)  # 4
        violation = self._schemas.violation(schema, data)  # 5
        if violation is not None:
            raise ProfileError(f"not a valid {kind[:80]}, {violation}")
        if self._foreign:
            semantics.require_carried(data, kind, self._schemas.properties(schema))
        else:
            semantics.require_known_properties(data, self._schemas.properties(schema))
        semantics.require(data, self._schemas)  # 6
        pattern = semantics.stix_pattern(data)
        shape, miss = (None, False) if pattern is None else self._templates.shape(pattern)  # 7
        return ValidObject(id=str(data["id"]), type=kind, data=data, shape=shape, template_miss=miss)

    def _schema(self, kind: str) -> str:
        """The schema of a type, that of nobody's in particular for one that others made. Raises ProfileError."""
        if kind in self._types:
            return kind
        if not self._foreign or kind in _NEVER_FOREIGN:
            raise ProfileError("an object of a type that the profile does not have", type=kind[:80])
        return "foreign"


def require_depth(raw: bytes, *, limit: int = LIMITS.json_depth) -> None:
    """Refuse JSON that nests deeper than ``limit``, in one pass without recursion."""
    if raw.count(b"{") + raw.count(b"[") <= limit:
        return
    depth = 0
    for match in _DEPTH.finditer(raw):
        char = match.group()[:1]
        if char in {b"{", b"["}:
            depth += 1
            if depth > limit:
                raise ProfileError(f"JSON nested deeper than {limit}")
        elif char != b'"':
            depth -= 1
