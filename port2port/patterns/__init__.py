"""The STIX pattern subset we share and evaluate.

Every shared pattern must follow the whole STIX 2.1 grammar (``TemplateCache``); what the watch runs is a
subset (``compile_pattern``) chosen so that one observation costs one look-up however many patterns there
are. The rest stays readable, and is shown as "not evaluated here" with the reason that ``PatternError``
carries.
"""

from port2port.patterns.compiled import CompiledPattern, Observed
from port2port.patterns.errors import PatternError
from port2port.patterns.expressions import IndexKey, Value, is_unique
from port2port.patterns.grammar import TemplateCache
from port2port.patterns.parse import compile_pattern, guards_in, named_in
from port2port.patterns.spelling import spelled

__all__ = [
    "CompiledPattern",
    "IndexKey",
    "Observed",
    "PatternError",
    "TemplateCache",
    "Value",
    "compile_pattern",
    "guards_in",
    "is_unique",
    "named_in",
    "spelled",
]
