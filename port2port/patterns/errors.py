"""What can be wrong with a pattern."""

from __future__ import annotations

from port2port.errors import ProfileError


class PatternError(ProfileError):
    """Not a STIX pattern, or one that is not evaluated here; the text says which part.

    ``facts["template_miss"]`` is true when the grammar had to be asked, which costs milliseconds.
    """

    code = "PATTERN"
