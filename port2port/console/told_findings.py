"""What the detectors of network sensors say, as messages: ``told`` finds a reason or a title by its text."""

from __future__ import annotations

from typing import Final

from port2port.console.words import N_

REASONS: Final = (
    N_(
        "%(address)s set off rule %(sid)s of the intrusion detection (%(signature)s); rules in 24 hours: %(rules)s, "
        "addresses of this port: %(targets)s"
    ),
    N_("A %(protocol)s function (%(function)s, %(deed)s) from an address that may not give commands"),
    N_("An address that never talked to this controller before opened port %(port)s"),
    N_("Of a minute's requests a controller answers %(share)s in a hundred with exceptions"),
    N_("%(host)s was reached from here and can be taken for %(like)s: %(why)s"),
    N_("%(host)s was looked up here and can be taken for %(like)s: %(why)s"),
    N_("Mail came from %(host)s, which can be taken for %(like)s"),
    N_("Mail from a foreign address shows the name of somebody this port protects, and %(why)s"),
    N_(
        "A mail names another bank account for a known supplier: "
        "call the supplier on the number you know, not on one in the mail"
    ),
    N_("%(count)s new accounts within %(days)s days share %(what)s"),
    N_("One document served for %(count)s accounts"),
    N_("More than %(most)s findings of %(detector)s within an hour: the rest is stored and counted"),
    N_("A machine of this port calls %(peer)s every %(seconds)s seconds, %(times)s times"),
)
# What stands for a fact in them.
WORDS: Final = (
    N_("it reads like it in other signs"),
    N_("it stands before somebody else's domain"),
    N_("it stands in a longer word"),
    N_("it is a known misspelling"),
    N_("one or two letters differ"),
    N_("it stands under another suffix"),
    N_("failed the checks of its domain"),
    N_("wants its answer at another address"),
    N_("one device"),
    N_("one bank account"),
    N_("one telephone number"),
    N_("write"),
    N_("diagnostic"),
    N_("restart"),
)
TITLES: Final = (
    N_("Attack traffic with %(value)s"),
    N_("Attack traffic"),
    N_("Unexpected commands to controllers from %(value)s"),
    N_("Unexpected commands to controllers"),
    N_("Lookalike domain %(value)s"),
    N_("Fraudulent mail from %(value)s"),
    N_("Another bank account for a known supplier"),
    N_("Accounts made by one hand"),
    N_("Connections at even intervals to %(value)s"),
    N_("Flood of findings of %(detector)s"),
)
# The numbers on a finding, as their names are shown.
NUMBERS: Final = (
    N_("breadth"),
    N_("rules"),
    N_("targets"),
    N_("letters that differ"),
    N_("exceptions"),
    N_("accounts"),
    N_("variation"),
    N_("interval"),
    N_("subjects"),
)
ALL: Final = (*REASONS, *WORDS, *TITLES, *NUMBERS)
