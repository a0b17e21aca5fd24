"""The misspellings of domains, by dnstwist: a program of its own, for ``permutations``.

It runs apart because that library, when it is imported, sets the time-out of all sockets of the process, and takes
seconds of one processor. Domains come one a line on standard input; a JSON object goes to standard output, from each
misspelling to the domain and the way it was misspelt.
"""

from __future__ import annotations

import json
import sys

# ``tld-swap`` and ``dictionary`` need lists that are not part of the library; the engine's rules do more than both.
_WAYS = (
    "addition", "bitsquatting", "cyrillic", "homoglyph", "hyphenation", "insertion", "omission", "plural",
    "repetition", "replacement", "subdomain", "transposition", "various", "vowel-swap",
)  # fmt: skip


def misspelt(domain: str, most: int) -> dict[str, tuple[str, str]]:
    """At most ``most`` of one domain, those that a reader sees least first."""
    import dnstwist  # noqa: PLC0415 it changes all sockets of whoever imports it: this program alone, when it runs

    found: dict[str, tuple[str, str]] = {}
    for way in sorted(_WAYS, key=lambda way: way == "homoglyph"):  # the many come last: they fill what is left
        fuzzer = dnstwist.Fuzzer(domain)
        fuzzer.generate([way])
        for name in sorted(str(one["domain"]) for one in fuzzer.domains):
            if len(found) < most and name != domain:
                found.setdefault(name, (domain, way))
    return found


def main() -> None:
    """Until the end of standard input; the first argument is how many in all."""
    domains = sys.stdin.read().split()
    share = int(sys.argv[1]) // max(1, len(domains))
    found: dict[str, tuple[str, str]] = {}
    for domain in domains:
        for name, said in misspelt(domain, share).items():
            found.setdefault(name, said)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
