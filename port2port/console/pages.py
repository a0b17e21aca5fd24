"""Pages and fragments: Jinja templates in the reader's language, with everything a template may use.

A template gets the facts of its endpoint and the names below. Macros (``console/macros.html``) see the same names,
although they are imported without context: what belongs to one request is looked up when it is written out.

| in a template | is |
| --- | --- |
| ``_("text %(x)s", x=1)``, ``ngettext("one", "many", n)`` | words in the reader's language |
| ``when(t)``, ``when(t, "time")``, ``ago(t)``, ``number(x)`` | times with zone, numbers |
| ``language_name("nl")`` | Nederlands |
| ``asset("map.mjs")``, ``icon("ship")`` | address of a file; a picture from the sprite |
| ``shown(text)`` | foreign text, its control and bidi characters made visible |
| ``deed(code)`` | an action of the audit trail in words |
| ``worded(text)`` | a sentence of our own domain (why, alarm, state) in the reader's language |
| ``csrf()``, ``form_token()`` | the hidden field of every form with method post; its value |
| ``nonce``, ``hx_nonce`` | nonce of scripts; value of the attribute ``hx-nonce`` of every element with hx attributes |
| ``person``, ``tabs``, ``ribbon``, ``path``, ``here`` (with query) | who, where |
| ``language``, ``languages``, ``theme``, ``keyboard``, ``zone``, ``now``, ``console_title`` | how, when |
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from types import CodeType
from typing import Final

from babel import Locale
from jinja2 import BaseLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from jinja2.bccache import Bucket, BytecodeCache
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from port2port.clock import Clock
from port2port.console.assets import Assets
from port2port.console.deeds import deed
from port2port.console.people import KEYBOARDS, THEMES, Endpoint, Person, needed, signed_in
from port2port.console.security import FORM_FIELD
from port2port.console.told import told_text
from port2port.console.words import Wording, Words
from port2port.errors import InvariantError

LANGUAGE_COOKIE: Final = "p2p-language"
THEME_COOKIE: Final = "p2p-theme"
KEYBOARD_COOKIE: Final = "p2p-keyboard"
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Cn"})
_PLAIN_CONTROLS: Final = frozenset("\n\t")
_COMPILED: Final[dict[tuple[str, str], CodeType]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One entry of the main navigation. ``label`` is a message id (``N_``); ``key`` follows g on the keyboard."""

    path: str
    label: str
    icon: str = ""
    key: str = ""
    roles: frozenset[str] = frozenset()  # empty: everybody who is signed in
    member: str = ""  # empty: persons of every member


@dataclass(frozen=True, slots=True, kw_only=True)
class Ribbon:
    """The striped banner over every page: ``demo`` or ``exercise``, with words of its own (a fact, not a message)."""

    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTab:
    """A tab as one person sees it."""

    path: str
    label: str
    icon: str
    key: str
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rendering:
    """What the names in a template mean while one response is written."""

    request: Request
    wording: Wording
    now: datetime


_RENDERING: ContextVar[_Rendering] = ContextVar("rendering")


class _Nonce:
    """The nonce of the response that is being written, also inside macros."""

    def __html__(self) -> str:
        return str(escape(_RENDERING.get().request.state.nonce))

    __str__ = __html__


class _CompiledOnce(BytecodeCache):
    """Each text of a template is compiled once in a process, however many consoles it opens: it takes 20 ms each.

    A bucket's key names the file and its checksum the text, so that a changed template is compiled anew.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = _COMPILED.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            _COMPILED[bucket.key, bucket.checksum] = bucket.code


class Pages:
    """All templates of a console. One for each application, at ``app.state.pages``."""

    def __init__(
        self,
        *,
        templates: Mapping[str, str],
        words: Words,
        assets: Assets,
        clock: Clock,
        tabs: Sequence[Tab],
        title: str | Callable[[], str],
        ribbon: Callable[[Request], Ribbon | None],
        everywhere: Sequence[str] = (),
    ) -> None:
        self.words = words
        self.assets = assets
        self._clock = clock
        self._tabs = tuple(tabs)
        self._title = title if callable(title) else lambda: title
        self._ribbon = ribbon
        self._everywhere = tuple(everywhere)
        loaders: dict[str, BaseLoader] = {name: PackageLoader(package) for name, package in templates.items()}
        self.environment = Environment(
            loader=PrefixLoader(loaders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.do"],
            bytecode_cache=_CompiledOnce(),
        )
        self.environment.globals.update(self._globals())

    def _globals(self) -> dict[str, object]:
        nonce = _Nonce()
        return {
            "_": lambda message, **facts: _wording().text(message, **facts),
            "ngettext": lambda one, many, n, **facts: _wording().plural(one, many, n, **facts),
            "when": lambda moment, style="full": _wording().when(moment, style),
            "ago": lambda moment: _wording().ago(moment, _RENDERING.get().now),
            "number": lambda value: _wording().number(value),
            "asset": self.assets.url,
            "icon": self.icon,
            "language_name": language_name,
            "shown": shown,
            "deed": lambda code: deed(code, _wording()),
            "worded": lambda text: told_text(text, _wording()),
            "csrf": csrf,
            "form_token": form_token,
            "nonce": nonce,
            "hx_nonce": nonce,
        }

    def wording(self, request: Request) -> Wording:
        """The reader's language: the person's own, the cookie, what the browser asks for, the console's first."""
        person = signed_in(request)
        return self.words.of(
            person.language if person else "",
            request.cookies.get(LANGUAGE_COOKIE, ""),
            request.headers.get("accept-language", ""),
        )

    def write(self, request: Request, template: str, facts: Mapping[str, object]) -> str:
        """The text of a page or fragment."""
        rendering = _Rendering(request=request, wording=self.wording(request), now=self._clock.now())
        token = _RENDERING.set(rendering)
        try:
            return self.environment.get_template(template).render({**self._frame(request, rendering), **facts})
        finally:
            _RENDERING.reset(token)

    def _frame(self, request: Request, rendering: _Rendering) -> dict[str, object]:
        person = signed_in(request)
        return {
            "console_title": self._title(),
            "person": person,
            "tabs": self.tabs(person, request.url.path, rendering.wording) if person else (),
            "ribbon": self._ribbon(request),
            "everywhere": self._everywhere if person else (),
            "language": rendering.wording.language,
            "languages": self.words.languages,
            "zone": rendering.wording.zone.key,
            "now": rendering.now,
            "theme": _choice(person.theme if person else request.cookies.get(THEME_COOKIE, ""), THEMES),
            "keyboard": _choice(person.keyboard if person else request.cookies.get(KEYBOARD_COOKIE, ""), KEYBOARDS),
            "path": request.url.path,
            "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        }

    def tabs(self, person: Person, path: str, wording: Wording) -> tuple[ShownTab, ...]:
        """The tabs this person may open; the one with the longest path that leads here is marked."""
        mine = [
            tab for tab in self._tabs if (not tab.roles or person.has(*tab.roles)) and tab.member in {"", person.member}
        ]
        leading = [tab.path for tab in mine if path == tab.path or path.startswith(tab.path.rstrip("/") + "/")]
        here = max(leading, key=len, default=None)
        return tuple(
            ShownTab(path=tab.path, label=wording.text(tab.label), icon=tab.icon, key=tab.key, here=tab.path == here)
            for tab in mine
        )

    def icon(self, name: str) -> Markup:
        """A picture of the sprite, silent to screen readers: the words stand beside it."""
        return Markup('<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>').format(
            self.assets.url("vendor/icons.svg"), f"i-{name}"
        )


def page(request: Request, template: str, status: int = 200, **facts: object) -> Response:
    """A whole page."""
    return HTMLResponse(_pages(request).write(request, template, facts), status)


def asks_for_a_piece(request: Request) -> bool:
    """Whether htmx asks, which takes the piece that changes and no page around it."""
    return request.headers.get("HX-Request") == "true"


def fragment(request: Request, template: str, status: int = 200, **facts: object) -> Response:
    """A piece of a page, for htmx."""
    return HTMLResponse(_pages(request).write(request, template, facts), status)


def starts(endpoint: Endpoint) -> Endpoint:
    """The page at "/", where everybody is sent after signing in; stands before ``needs``.

    Who lacks its role is sent on to the first page that he has a tab for: an admin's way in shall not end at a page
    that does not exist.
    """
    roles = needed(endpoint)

    @wraps(endpoint)
    async def started(request: Request) -> Response:
        person = signed_in(request)
        if person is None or roles is None or person.has(*roles):
            return await endpoint(request)
        mine = [tab for tab in _pages(request).tabs(person, "", wording(request)) if tab.path != request.url.path]
        return RedirectResponse(mine[0].path, 303) if mine else await endpoint(request)

    return started


def wording(request: Request) -> Wording:
    """The reader's language, for endpoints that build sentences themselves."""
    return _pages(request).wording(request)


def csrf() -> Markup:
    """The hidden field that every form with method post carries."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_FIELD, form_token())


def form_token() -> str:
    """The token of this request's forms; empty on the page of a request refused before its person was known."""
    make = getattr(_RENDERING.get().request.state, "form_token", None)
    return "" if make is None else str(make())


def shown(text: str, lang: str = "") -> Markup:
    """Text that somebody else wrote: set apart for its direction, every invisible character spelled out."""
    body = Markup().join(_visible(char) for char in text)
    language = Markup(' lang="{}"').format(lang) if lang else ""
    return Markup('<bdi class="foreign"{}>{}</bdi>').format(language, body)


def language_name(code: str) -> str:
    """A language in its own words, as its speakers look for it."""
    return (Locale.parse(code).get_display_name(code) or code).capitalize()


def _visible(char: str) -> str:
    if char in _PLAIN_CONTROLS or unicodedata.category(char) not in _HIDDEN_CATEGORIES:
        return char
    return Markup('<span class="codepoint">U+{:04X}</span>').format(ord(char))


def _choice(value: str, allowed: Sequence[str]) -> str:
    return value if value in allowed else allowed[0]


def _wording() -> Wording:
    return _RENDERING.get().wording


def _pages(request: Request) -> Pages:
    found = request.app.state.pages
    if not isinstance(found, Pages):
        raise InvariantError("the application has no pages")
    return found
