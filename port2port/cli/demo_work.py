"""What the demo leaves on its screens for whoever looks first: a draft at each desk that waits for a decision, and an
incident on the board of the national picture.

Drafts are made with the commands of officers. The incident is opened as a coordinator opens it, by sending the forms
of his page: there is no command for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlencode, urlsplit

from port2port.stage import Stage, StageError

COORDINATOR: Final = "C-01"
_ANSWER_S: Final = 30.0
_PAGE_BYTES: Final = 4_000_000
_TOKEN: Final = re.compile(r'name="form_token" value="([0-9a-f]+)"')
_VERSION: Final = re.compile(r'name="version" value="([0-9]+)"')
_INDEX: Final = re.compile(r"at index ([0-9]+)")


def reports(stage: Stage, seen: Mapping[str, tuple[str, ...]]) -> list[Future[str]]:
    """Officers at ports (by member) report what they saw; each becomes a draft while the story goes on."""
    with_them = ThreadPoolExecutor(max_workers=len(seen))
    found = [with_them.submit(stage.node, member, "report", *words) for member, words in seen.items()]
    with_them.shutdown(wait=False)
    return found


def index_of(state: str) -> int | None:
    """The entry's number in what ``explain`` says of a statement; None where it does not stand in the log yet."""
    found = _INDEX.search(state)
    return int(found[1]) if found else None


def open_incident(origin: str, index: int, note: str) -> None:
    """A coordinator opens an incident about an entry and takes it on. Raises StageError."""
    visitor = Visitor(origin=origin)
    visitor.send("/sign-in", "/sign-in/demo", {"pseudonym": COORDINATOR, "next": "/"})
    where = visitor.send(f"/?item={index}", "/incidents", {"row": str(index), "note": note})
    visitor.send(where, f"{where}/advance", {"state": "acknowledged"})


@dataclass(slots=True)
class Visitor:
    """A browser without a screen, at one console of this machine."""

    origin: str
    cookies: dict[str, str] = field(default_factory=dict)

    def read(self, path: str) -> str:
        """The text of a page. Raises StageError."""
        return self._ask(path, None)[0]

    def send(self, page: str, action: str, fields: Mapping[str, str]) -> str:
        """Read a page, send its form; where the answer leads. Raises StageError."""
        text = self.read(page)
        hidden = {
            name: found[1]
            for name, rule in (("form_token", _TOKEN), ("version", _VERSION))
            if (found := rule.search(text))
        }
        return self._ask(action, urlencode({**hidden, **fields}).encode())[1]

    def _ask(self, path: str, body: bytes | None) -> tuple[str, str]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers |= {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded"}
        connection = HTTPConnection(urlsplit(self.origin).netloc, timeout=_ANSWER_S)  # it follows no redirection
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read(_PAGE_BYTES).decode(errors="replace")
        except (OSError, HTTPException) as error:
            raise StageError(f"{self.origin}{path} does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status not in {200, 303}:
            raise StageError(f"{self.origin}{path} answered {answer.status}")
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return text, answer.headers.get("Location", "")
