"""Every deliberate error of the three packages, in one tree.

Each class carries a stable ``code`` (it travels on the wire and in logs, and is never reused), whether trying
again later can help (``retryable``) and whether the task that met it must stop (``fatal``).
The text is safe to show to a peer: causes go to the log, never to the other side.
"""

from __future__ import annotations

from typing import ClassVar


class Port2PortError(Exception):
    """Root of the tree. ``facts`` are named values for logs and messages; never payloads, keys or persons."""

    code: ClassVar[str] = "ERROR"
    retryable: ClassVar[bool] = False
    fatal: ClassVar[bool] = False

    def __init__(self, text: str, /, **facts: object) -> None:
        super().__init__(text)
        self.text = text
        self.facts = facts

    def __str__(self) -> str:
        return self.text


class ConfigurationError(Port2PortError):
    """A settings file, path or option is wrong; the text names the file and what to change."""

    code = "CONFIGURATION"


class MalformedError(Port2PortError):
    """Bytes from outside that are not what their place asks for."""

    code = "MALFORMED"


class TooLargeError(MalformedError):
    """Something is over a bound of ``limits``."""

    code = "TOO_LARGE"


class ProfileError(MalformedError):
    """Well-formed JSON that is not an object of our STIX profile."""

    code = "PROFILE"


class VerificationError(Port2PortError):
    """A statement, checkpoint or proof does not hold. ``step`` is the number in ``port2port.verify``."""

    code = "VERIFICATION"
    step: ClassVar[int] = 0


class ProofError(VerificationError):
    """An inclusion or consistency proof, or a recomputed root, does not hold."""

    code = "PROOF"


class RollbackError(VerificationError):
    """The log went backwards: a head smaller than one we verified before."""

    code = "ROLLBACK"
    fatal = True


class SplitViewError(VerificationError):
    """Two checkpoints signed by the log contradict each other: evidence against the hub."""

    code = "SPLIT_VIEW"
    fatal = True


class PolicyError(Port2PortError):
    """Understood and authentic, but not allowed."""

    code = "POLICY"


class NotMemberError(PolicyError):
    """The caller's certificate or key belongs to no current member."""

    code = "NOT_MEMBER"


class ConflictError(Port2PortError):
    """Contradicts what is stored already."""

    code = "CONFLICT"


class NotFoundError(Port2PortError):
    """Not there, or not there for this reader: both answer alike."""

    code = "NOT_FOUND"


class UnavailableError(Port2PortError):
    """Not now; the same request may succeed later."""

    code = "UNAVAILABLE"
    retryable = True


class BackpressureError(UnavailableError):
    """Too much at once from this member; ``delay_ms`` says when to try again."""

    code = "BACKPRESSURE"

    def __init__(self, text: str, /, *, delay_ms: int, **facts: object) -> None:
        super().__init__(text, delay_ms=delay_ms, **facts)
        self.delay_ms = delay_ms


class LogBehindError(UnavailableError):
    """The hub's log is behind what its members remember; it refuses to serve until it has recovered."""

    code = "LOG_BEHIND"


class InvariantError(Port2PortError):
    """Something that cannot be is. Stop the task, raise the alarm, do not retry."""

    code = "INVARIANT"
    fatal = True
