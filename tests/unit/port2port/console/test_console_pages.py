"""Pages: language, words, foreign text, tabs, errors, preferences, files."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from port2port.console.app import addresses
from port2port.console.pages import Ribbon, shown
from port2port.console.roles import Role
from port2port.console.settings import LANGUAGES
from port2port.console.words import accepted, load_words
from port2port.errors import InvariantError
from tests.fakes.console import OFFICER, app, client, form_token
from tests.fakes.examples import many

WORDS = load_words(["port2port.console"], LANGUAGES, "Europe/Brussels")
WINTER = datetime(2026, 11, 22, 8, 5, 9, tzinfo=UTC)
SUMMER = datetime(2026, 7, 1, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("own", "cookie", "header", "language"),
    [
        ("de", "fr", "nl", "de"),
        ("", "fr", "nl", "fr"),
        ("", "", "fr-BE,fr;q=0.9,en;q=0.8", "fr"),
        ("", "", "es,de;q=0.3,en;q=0.2", "de"),
        ("", "xx", "", "nl"),
        ("", "", "en;q=0", "nl"),
    ],
)
def test_the_language_is_the_persons_then_the_cookies_then_the_browsers(
    own: str, cookie: str, header: str, language: str
) -> None:
    browser = client(app(replace(OFFICER, language=own)))
    if cookie:
        browser.cookies.set("p2p-language", cookie)
    assert f'<html lang="{language}"' in browser.get("/", headers={"accept-language": header}).text


@given(st.text(max_size=60))
@settings(max_examples=many(60))
def test_any_header_of_languages_is_read(header: str) -> None:
    assert all(isinstance(language, str) for language in accepted(header))


@pytest.mark.parametrize(
    ("language", "moment", "text"),
    [
        ("nl", WINTER, "22 nov 2026, 09:05 CET"),
        ("fr", WINTER, "22 nov. 2026, 09:05 CET"),
        ("de", WINTER, "22 Nov. 2026, 09:05 CET"),
        ("en", SUMMER, "1 Jul 2026, 22:30 CEST"),
    ],
)
def test_a_time_has_24_hours_and_its_zone(language: str, moment: datetime, text: str) -> None:
    assert WORDS.of(language).when_text(moment) == text


def test_a_time_without_a_zone_is_never_shown() -> None:
    with pytest.raises(InvariantError):
        WORDS.of("en").when(WINTER.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("language", "text"), [("nl", "4 min. geleden"), ("fr", "il y a 4\N{NO-BREAK SPACE}min"), ("de", "vor 4 Min.")]
)
def test_how_long_ago(language: str, text: str) -> None:
    assert WORDS.of(language).ago_text(WINTER - timedelta(minutes=4), WINTER) == text


def test_facts_with_mark_up_keep_it_and_others_are_escaped_by_the_page() -> None:
    wording = WORDS.of("en")
    assert wording.text("Number: %(number)s", number=shown("<b>")) == 'Number: <bdi class="foreign">&lt;b&gt;</bdi>'
    assert wording.text("Number: %(number)s", number="<b>") == "Number: <b>"


@pytest.mark.parametrize("char", ["\u202e", "\u2066", "\u200b", "\x00", "\x1b", "\ufeff", "\u2028", "\U000e0041"])
def test_what_hides_in_foreign_text_is_spelled_out(char: str) -> None:
    assert char not in shown(f"a{char}b")
    assert f"U+{ord(char):04X}" in shown(f"a{char}b")


@given(st.text())
@settings(max_examples=many(100))
def test_foreign_text_never_becomes_mark_up(text: str) -> None:
    inside = re.sub(r'<span class="codepoint">U\+[0-9A-F]{4,6}</span>', "", str(shown(text)))
    assert inside.count("<") == 2
    assert not any(char in inside for char in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068")


def test_the_language_of_foreign_text_is_said() -> None:
    assert shown("schip", "nl") == '<bdi class="foreign" lang="nl">schip</bdi>'


def test_a_tab_is_shown_to_those_who_may_open_it_and_marked_when_open() -> None:
    assert 'href="/admin"' not in client(app()).get("/").text
    admin = replace(OFFICER, roles=frozenset({Role.ADMIN}))
    text = client(app(admin)).get("/admin").text
    assert re.search(r'href="/admin" aria-current="page"', text)
    assert len(re.findall(r"aria-current", text)) == 1


def test_what_is_not_permitted_looks_like_what_is_not_there() -> None:
    browser = client(app())
    pages = [browser.get(path) for path in ("/admin", "/nowhere")]
    texts = [re.sub(r'nonce="[^"]*"|/admin|/nowhere', "", response.text) for response in pages]
    assert [response.status_code for response in pages] == [404, 404]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [("/refuse", 403, "the author cannot approve"), ("/conflict", 409, "the draft has version 4 by now")],
)
def test_a_deliberate_error_says_what_to_do(path: str, status: int, words: str) -> None:
    response = client(app()).get(path)
    assert response.status_code == status
    assert words in response.text


def test_an_unforeseen_error_shows_a_number_and_is_logged_under_it(caplog: pytest.LogCaptureFixture) -> None:
    response = client(app()).get("/break", headers={"accept-language": "en"})
    number = re.search(r"Number: ([0-9a-f]{8})", response.text).group(1)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert [record.error_id for record in caplog.records if hasattr(record, "error_id")] == [number]


def test_an_error_of_htmx_becomes_a_toast() -> None:
    response = client(app()).get("/refuse", headers={"HX-Request": "true"})
    assert response.headers["HX-Retarget"] == "#alerts"
    assert "<html" not in response.text


def test_an_error_is_told_in_the_readers_language() -> None:
    assert "Deze pagina bestaat niet" in client(app()).get("/nowhere", headers={"accept-language": "nl"}).text


def test_a_choice_is_kept_for_the_person_and_the_browser() -> None:
    kept: list[tuple[str, str]] = []

    async def remember(_request: object, name: str, value: str) -> None:
        kept.append((name, value))

    browser = client(app(remember=remember))
    token = form_token(browser.get("/").text)
    response = browser.post(
        "/preferences", data={"form_token": token, "language": "fr", "theme": "light", "next": "/gallery"}
    )
    assert (response.status_code, response.headers["location"]) == (303, "/gallery")
    assert kept == [("language", "fr"), ("theme", "light")]
    assert 'lang="fr"' in browser.get("/").text


@pytest.mark.parametrize("where", ["//evil.example", "https://evil.example", "\\evil", ""])
def test_a_choice_leads_nowhere_else(where: str) -> None:
    browser = client(app())
    token = form_token(browser.get("/").text)
    response = browser.post("/preferences", data={"form_token": token, "theme": "dark", "next": where})
    assert response.headers["location"] == "/"


def test_a_choice_that_is_not_on_offer_is_refused() -> None:
    browser = client(app())
    token = form_token(browser.get("/").text)
    assert browser.post("/preferences", data={"form_token": token, "theme": "pink"}).status_code == 400


@pytest.mark.parametrize("kind", ["demo", "exercise"])
def test_a_ribbon_says_three_times_what_this_is(kind: str) -> None:
    text = client(app(ribbon=lambda _request: Ribbon(kind=kind, name="Berchem"))).get("/").text
    assert f'class="ribbon {kind}"' in text
    assert re.search(r"(\w+) \1 \1", text)
    assert "Berchem" in text


def test_files_are_kept_for_ever_under_an_address_that_changes_with_them() -> None:
    application = app()
    url = application.state.pages.assets.url("console.css")
    response = client(application).get(url, headers={"accept-encoding": "gzip"})
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-encoding"] == "gzip"
    assert response.content == application.state.pages.assets.content("console.css")
    assert client(application).get(url.replace(application.state.pages.assets.digest, "0" * 16)).status_code == 404


@pytest.mark.parametrize("name", ["../settings.py", "..%2fsettings.py", "nowhere.css", "vendor/"])
def test_nothing_but_the_files_is_served(name: str) -> None:
    application = app()
    assert client(application).get(f"/static/{application.state.pages.assets.digest}/{name}").status_code == 404


def test_every_page_has_one_heading_a_title_and_a_way_past_the_bar() -> None:
    application = app(replace(OFFICER, roles=frozenset(Role)))
    browser = client(application)
    paths = [path for path in addresses(application) if path not in {"/break", "/piece", "/live"}]
    assert {"/", "/gallery", "/admin"} <= set(paths)
    for path in paths:
        text = browser.get(path).text
        assert (path, text.count("<h1>")) == (path, 1)
        assert re.search(r"<title>[^<]+</title>", text)
        assert text.index('class="skip"') < text.index("<header")


def test_pages_name_no_other_site() -> None:
    application = app()
    assets = application.state.pages.assets
    ours = [name for name in assets.names() if name.endswith((".css", ".mjs")) and not name.startswith("vendor/")]
    texts = [client(application).get("/gallery").text, *(assets.content(name).decode() for name in ours)]
    assert [text[:80] for text in texts if re.search(r"(?:src|href|url\(|import .*?from)\W*https?://", text)] == []
