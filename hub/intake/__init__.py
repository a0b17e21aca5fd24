"""Verify, authorise, append: what becomes of an envelope that a member hands in."""

from hub.intake.checks import ENABLED_KINDS, Checker, KindError
from hub.intake.judging import IntakeJudge
from hub.intake.pipeline import Intake, IntakeLimits, admit
from hub.intake.results import Outcome, Result

__all__ = [
    "ENABLED_KINDS",
    "Checker",
    "Intake",
    "IntakeJudge",
    "IntakeLimits",
    "KindError",
    "Outcome",
    "Result",
    "admit",
]
