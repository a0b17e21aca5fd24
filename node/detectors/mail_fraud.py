"""MAIL_FRAUD (CY4): mail that wants to be taken for a director, a treasurer or a supplier.

Three signs: the sender's domain is a lookalike; the name shown is that of a protected person, the domain is foreign
and the mail failed SPF or DMARC or wants its answer elsewhere; or a known supplier suddenly names another bank account.
The last is never decided from mail: the text tells to call the supplier on the number one knows.
"""

from __future__ import annotations

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from node.detectors.lookalike import domain_subjects, sure_of
from node.detectors.recorded import Raised, found
from node.findings import Finding, FindingKind, Severity
from node.lookalikes import LookalikeEngine, Ours

if TYPE_CHECKING:
    from node.records import Mail, Record

AGAIN_AFTER: Final = timedelta(hours=24)  # one finding per sender, or per supplier
FAILED: Final = frozenset({"fail", "softfail"})  # RFC 7208 section 2.6, RFC 7489 section 11.2
PERSON_SURE: Final = 70
ACCOUNT_SURE: Final = 50
SUPPLIERS: Final = 20_000
ACCOUNTS: Final = 8  # of a supplier
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)


class MailFraud:
    """See the module's story. The accounts of suppliers are kept as digests, and learned anew after each start."""

    name = "mail-fraud"
    version = 1

    def __init__(self, engine: LookalikeEngine | None = None, persons: Iterable[str] = ()) -> None:
        self._engine = engine or LookalikeEngine(Ours())
        self._persons = tuple(words for words in map(_words, persons) if words)
        self._raised = Raised(AGAIN_AFTER)
        self.suppliers: OrderedDict[str, OrderedDict[bytes, None]] = OrderedDict()

    def detect(self, records: Sequence[Record]) -> list[Finding]:
        """Findings of these records."""
        findings: list[Finding] = []
        for record in records:
            if record.mail is not None:
                findings += self._lookalike(record, record.mail)
                findings += self._person(record, record.mail)
                findings += self._account(record, record.mail)
        return findings

    def _lookalike(self, record: Record, mail: Mail) -> Iterable[Finding]:
        for address in dict.fromkeys((mail.sender, mail.reply_to)):
            verdict = None if address is None else self._engine.judge(_domain(address))
            if verdict is None or not self._raised.now(verdict.registered, record.observed_at):
                continue
            reason = f"Mail came from {verdict.host}, which can be taken for {verdict.like}"
            yield self._finding(
                record, domain_subjects(verdict), "lookalike", reason, severity=Severity.HIGH, sure=sure_of(verdict)
            )

    def _person(self, record: Record, mail: Mail) -> Iterable[Finding]:
        if mail.sender is None or not self._shows_person(mail) or self._engine.is_ours(_domain(mail.sender)):
            return
        failed = mail.spf in FAILED or mail.dmarc in FAILED
        elsewhere = mail.reply_to is not None and mail.reply_to != mail.sender
        if not failed and not elsewhere:
            return
        if self._raised.now(("person", mail.sender), record.observed_at):
            why = "failed the checks of its domain" if failed else "wants its answer at another address"
            reason = f"Mail from a foreign address shows the name of somebody this port protects, and {why}"
            subjects = (f"email:{mail.sender}",)
            yield self._finding(record, subjects, "person", reason, severity=Severity.HIGH, sure=PERSON_SURE)

    def _shows_person(self, mail: Mail) -> bool:
        shown = _words(mail.display_name or "")
        return any(person <= shown for person in self._persons)

    def _account(self, record: Record, mail: Mail) -> Iterable[Finding]:
        iban = _iban(mail.iban or "")
        if iban is None or not mail.supplier:
            return
        supplier = mail.supplier.casefold().strip()
        known = self._accounts(supplier)
        is_first, is_new = not known, iban not in known
        known[iban] = None
        known.move_to_end(iban)
        if len(known) > ACCOUNTS:
            known.popitem(last=False)
        if is_first or not is_new or not self._raised.now(("account", supplier), record.observed_at):
            return
        reason = (
            "A mail names another bank account for a known supplier: "
            "call the supplier on the number you know, not on one in the mail"
        )
        yield self._finding(
            record, (f"supplier:{supplier}",), "account", reason, severity=Severity.HIGH, sure=ACCOUNT_SURE
        )

    def _accounts(self, supplier: str) -> OrderedDict[bytes, None]:
        known = self.suppliers.setdefault(supplier, OrderedDict())
        self.suppliers.move_to_end(supplier)
        if len(self.suppliers) > SUPPLIERS:
            self.suppliers.popitem(last=False)
        return known

    def _finding(
        self, record: Record, subjects: Sequence[str], sign: str, reason: str, *, severity: Severity, sure: int
    ) -> Finding:
        mail = record.mail
        told = () if mail is None else (mail.display_name, mail.supplier, mail.iban, *mail.recipients)
        return found(
            f"{self.name}@{self.version}",
            FindingKind.MAIL_FRAUD,
            subjects,
            f"{sign}/{record.observed_at.date().isoformat()}",
            (record,),
            severity=severity,
            confidence=sure,
            reason=reason,
            numbers={},
            inside=[one for one in told if one],
        )


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _words(text: str) -> frozenset[str]:
    """A name without accents, commas and order: ``De Vries, Jan`` is Jan de Vries."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text[:200]) if not unicodedata.combining(char))
    return frozenset(re.findall(r"\w+", bare.casefold()))


def _iban(text: str) -> bytes | None:
    """The digest of an account's number; None where its check digits (ISO 13616, mod 97) do not fit."""
    bare = "".join(text.split()).upper()
    if not _IBAN.fullmatch(bare):
        return None
    digits = "".join(str(int(char, 36)) for char in bare[4:] + bare[:4])
    return sha256(bare.encode()).digest() if int(digits) % 97 == 1 else None
