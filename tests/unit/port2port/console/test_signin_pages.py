"""Sign-in as a browser meets it: every route, what lets somebody in, and what does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from port2port.console import accounts, links, local, passkeys, sessions
from port2port.console.roles import Role
from tests.fakes.authenticator import VERIFIED, Authenticator
from tests.fakes.signin import SignedConsole, code_of, console

PASSWORD = "a sentence that nobody guesses"


@pytest.fixture
def desk() -> Iterator[SignedConsole]:
    with console() as made:
        yield made


def with_password(desk: SignedConsole, pseudonym: str = "A-17") -> str:
    """An account with password and code; gives the TOTP secret."""
    import asyncio

    account = desk.account(pseudonym)
    secret = local.new_totp_secret()
    digest = asyncio.run(desk.signin.passwords.hash(PASSWORD))
    desk.do(lambda c: (accounts.set_password(c, account.id, digest), accounts.set_totp(c, account.id, secret)))
    return secret


def test_who_is_signed_out_goes_to_the_sign_in_page_and_comes_back(desk: SignedConsole) -> None:
    visitor = desk.browser()
    answer = visitor.get("/approve?item=7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fapprove%3Fitem%3D7")
    assert 'value="/approve?item=7"' in visitor.get(answer.headers["location"]).text


def test_a_link_enrols_a_passkey_shows_eight_codes_once_and_signs_in(desk: SignedConsole) -> None:
    visitor, key, link = desk.browser(), Authenticator(), desk.link()
    answer = visitor.enrol(link, key)
    assert answer.status_code == 200
    assert len(re.findall(r"<code>([a-z2-7-]{19})</code>", answer.text)) == 8
    cookie = answer.headers["set-cookie"]
    assert re.search(r"__Host-p2p=[\w-]{43}; HttpOnly; Path=/; SameSite=strict; Secure", cookie)
    assert visitor.get("/").status_code == 200
    account = desk.do(lambda c: accounts.by_pseudonym(c, "A-17"))
    assert account is not None
    assert account.roles == frozenset(Role)
    assert desk.audit.actions() == ["sign-in", "enrol"]
    again = desk.browser().post("/enrol/options", {"link": link}, page="/enrol")
    assert (again.status_code, again.json()) == (404, {"gone": True})


def test_a_link_older_than_half_an_hour_enrols_nobody(desk: SignedConsole) -> None:
    link = desk.link()
    desk.clock.advance(30 * 60)
    assert desk.browser().post("/enrol/options", {"link": link}, page="/enrol").status_code == 404
    assert desk.do(accounts.everybody) == []


def test_a_passkey_signs_in_without_a_name_and_with_a_new_id(desk: SignedConsole) -> None:
    key = Authenticator()
    desk.browser().enrol(desk.link(), key)
    visitor = desk.browser()
    answer = visitor.sign_in(key)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    first = visitor.secret
    assert visitor.get("/me").status_code == 200
    visitor.client.cookies.delete(sessions.COOKIE)
    visitor.sign_in(key)
    assert visitor.secret not in {"", first}


@pytest.mark.parametrize(
    "lie",
    ["other origin", "other relying party", "no person verified", "other challenge", "unknown key", "counts backwards"],
)
def test_a_passkey_that_lies_signs_nobody_in(desk: SignedConsole, lie: str) -> None:
    key = Authenticator()
    key.counter = 5
    desk.browser().enrol(desk.link(), key)
    visitor, changes = desk.browser(), {}
    if lie == "other origin":
        changes["origin"] = "https://evil.example"
    elif lie == "other relying party":
        key.rp_id = "evil.example"
    elif lie == "no person verified":
        key.flags &= ~VERIFIED
    elif lie == "other challenge":
        changes["challenge"] = "A" * 43
    elif lie == "unknown key":
        key = Authenticator(12)
    else:
        key.counter = 2
    answer = visitor.sign_in(key, **changes)
    assert answer.status_code == 403
    assert "not accepted" in answer.text
    assert visitor.secret == ""
    assert desk.audit.rows[-1][1] == "sign-in-refused"


def test_a_passkey_answer_is_good_once(desk: SignedConsole) -> None:
    key = Authenticator()
    desk.browser().enrol(desk.link(), key)
    visitor = desk.browser()
    given = visitor.post("/sign-in/passkey/options").json()
    form = {"ticket": given["ticket"], "assertion": key.sign(given["options"]), "next": "/"}
    assert visitor.post("/sign-in/passkey", form).status_code == 303
    assert desk.browser().post("/sign-in/passkey", form).status_code == 403


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"id":"AA","response":{}}', "nul", "[" * 5000])
def test_a_malformed_passkey_answer_is_refused_politely(desk: SignedConsole, answer: str) -> None:
    visitor = desk.browser()
    given = visitor.post("/sign-in/passkey/options").json()
    sent = visitor.post("/sign-in/passkey", {"ticket": given["ticket"], "assertion": answer, "next": "/"})
    assert sent.status_code == 403


def test_a_password_signs_in_with_its_code_and_the_same_code_not_twice(desk: SignedConsole) -> None:
    secret = with_password(desk)
    form = {"name": "a-17", "password": PASSWORD, "code": code_of(secret, desk.clock), "next": "/"}
    assert desk.browser().post("/sign-in/password", form).status_code == 303
    assert desk.browser().post("/sign-in/password", form).status_code == 403
    desk.clock.advance(30)
    form["code"] = code_of(secret, desk.clock)
    assert desk.browser().post("/sign-in/password", form).status_code == 303


def test_unknown_name_wrong_password_and_wrong_code_get_the_same_page(desk: SignedConsole) -> None:
    secret = with_password(desk)
    right = code_of(secret, desk.clock)
    texts = set()
    for name, password, code in [("B-99", PASSWORD, right), ("A-17", "x" * 20, right), ("A-17", PASSWORD, "000000")]:
        answer = desk.browser().post("/sign-in/password", {"name": name, "password": password, "code": code})
        assert answer.status_code == 403
        texts.add(re.sub(r'(nonce|value|content)="[\w-]{22,}"', "", answer.text))
    assert len(texts) == 1


@pytest.mark.parametrize("name", ["A-17", "nobody"])
def test_five_wrong_tries_close_a_name_for_a_while_and_never_for_ever(desk: SignedConsole, name: str) -> None:
    secret = with_password(desk)
    visitor = desk.browser()
    form = {"name": name, "password": "wrong" * 5, "code": "000000"}
    assert [visitor.post("/sign-in/password", form).status_code for _ in range(6)] == [403] * 5 + [429]
    desk.clock.advance(5)
    assert visitor.post("/sign-in/password", form).status_code == 403
    assert visitor.post("/sign-in/password", form).status_code == 429
    desk.clock.advance(15 * 60)
    good = {"name": "A-17", "password": PASSWORD, "code": code_of(secret, desk.clock)}
    assert desk.browser().post("/sign-in/password", good).status_code == 303


def test_an_address_tries_thirty_times_a_minute(desk: SignedConsole) -> None:
    visitor = desk.browser()
    assert [visitor.post("/sign-in/passkey/options").status_code for _ in range(31)] == [200] * 30 + [429]
    desk.clock.advance(60)
    assert visitor.post("/sign-in/passkey/options").status_code == 200


def test_a_recovery_code_signs_in_once_and_leads_to_ones_own_page(desk: SignedConsole) -> None:
    account = desk.account()
    codes = desk.do(lambda c: local.new_recovery_codes(c, account.id))
    form = {"name": "A-17", "recovery": codes[3].upper().replace("-", " ")}
    answer = desk.browser().post("/sign-in/recovery", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")
    assert desk.browser().post("/sign-in/recovery", form).status_code == 403


def test_a_closed_account_gets_in_by_no_way(desk: SignedConsole) -> None:
    key = Authenticator()
    desk.browser().enrol(desk.link(), key)
    desk.account("D-01", Role.ADMIN)
    account = desk.do(lambda c: accounts.by_pseudonym(c, "A-17"))
    codes = desk.do(lambda c: local.new_recovery_codes(c, account.id))
    open_session = desk.session(account.id)
    desk.do(lambda c: accounts.set_disabled(c, account.id, disabled=True))
    assert desk.browser().sign_in(key).status_code == 403
    assert desk.browser().post("/sign-in/recovery", {"name": "A-17", "recovery": codes[0]}).status_code == 403
    assert desk.browser().as_(open_session).get("/").status_code == 303


def test_a_session_ends_after_half_an_hour_without_a_request(desk: SignedConsole) -> None:
    account = desk.account()
    idle, busy = (desk.browser().as_(desk.session(account.id)) for _ in range(2))
    desk.clock.advance(29 * 60)
    assert busy.get("/").status_code == 200
    desk.clock.advance(60)
    assert idle.get("/").status_code == 303
    assert busy.get("/").status_code == 200


def test_a_session_that_is_used_all_the_time_ends_with_the_shift(desk: SignedConsole) -> None:
    busy = desk.browser().as_(desk.session(desk.account().id))
    answers = []
    for _ in range(36):
        desk.clock.advance(20 * 60)
        answers.append(busy.get("/").status_code)
    assert answers == [200] * 35 + [303]


def test_the_database_holds_no_id_that_opens_anything(desk: SignedConsole) -> None:
    visitor, link = desk.browser(), desk.link()
    answer = visitor.enrol(link, Authenticator())
    codes = re.findall(r"<code>([a-z2-7-]{19})</code>", answer.text)
    dump = desk.do(lambda c: "\n".join(c.connection.iterdump()))
    assert [secret for secret in (link, visitor.secret, *codes) if secret in dump] == []


def test_signing_out_ends_the_session_also_at_the_server(desk: SignedConsole) -> None:
    visitor = desk.browser().as_(secret := desk.session(desk.account().id))
    answer = visitor.post("/sign-out", page="/me")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert desk.browser().as_(secret).get("/").status_code == 303


def test_changing_user_keeps_the_page(desk: SignedConsole) -> None:
    visitor = desk.browser().as_(desk.session(desk.account().id))
    answer = visitor.post("/change-user", {"next": "/approve?item=7"}, page="/me")
    assert answer.headers["location"] == "/sign-in?next=%2Fapprove%3Fitem%3D7"
    assert visitor.secret == ""


@pytest.mark.parametrize("where", ["https://evil.example", "//evil.example", "/\\evil.example", "/sign-in", "/a\nb"])
def test_signing_in_leads_to_no_other_site(desk: SignedConsole, where: str) -> None:
    secret = with_password(desk)
    form = {"name": "A-17", "password": PASSWORD, "code": code_of(secret, desk.clock), "next": where}
    assert desk.browser().post("/sign-in/password", form).headers["location"] == "/"


def test_without_the_role_a_page_is_the_page_of_what_is_not_there(desk: SignedConsole) -> None:
    visitor = desk.browser().as_(desk.session(desk.account().id))
    hidden, absent = visitor.get("/approve"), visitor.get("/nowhere")
    assert hidden.status_code == absent.status_code == 404
    assert visitor.get("/accounts").status_code == 404


def test_who_reads_no_content_makes_no_wall_display_that_does(desk: SignedConsole) -> None:
    visitor = desk.browser()
    visitor.enrol(desk.link("D-01", frozenset({Role.ADMIN, Role.AUDITOR})), Authenticator())
    assert "/me/display" not in visitor.get("/me").text
    assert visitor.post("/me/display", page="/me").status_code == 404
    made = desk.do(lambda c: accounts.by_pseudonym(c, "D-01"))
    assert made is not None
    (kept,) = desk.do(lambda c: sessions.of_account(c, made.id, desk.clock.now()))
    assert not kept.display


def test_a_wall_display_reads_and_never_acts(desk: SignedConsole) -> None:
    account = desk.account("A-17", Role.APPROVER, Role.ADMIN)
    visitor = desk.browser().as_(desk.session(account.id))
    answer = visitor.post("/me/display", page="/me")
    assert answer.status_code == 303
    assert visitor.get("/approve").status_code == 404
    assert visitor.post("/me/recovery", page="/").status_code == 404
    desk.clock.advance(timedelta(days=80).total_seconds())
    assert visitor.get("/").status_code == 200
    desk.clock.advance(timedelta(days=11).total_seconds())
    assert visitor.get("/").status_code == 303


def test_ones_own_page_lists_and_ends_sessions_of_nobody_else(desk: SignedConsole) -> None:
    mine, other = desk.account("A-17"), desk.account("B-02")
    visitor = desk.browser().as_(desk.session(mine.id))
    second, foreign = desk.session(mine.id), desk.session(other.id)
    listed = desk.do(lambda c: [one.name for one in sessions.of_account(c, mine.id, desk.clock.now())])
    shown = visitor.get("/me").text
    own = re.search(r"This browser", shown)
    assert own
    ended = [name for name in listed if f'value="{name}"' in shown]
    assert len(ended) == 1
    assert visitor.post("/me/sessions/end", {"session": ended[0]}, page="/me").status_code == 303
    assert desk.browser().as_(second).get("/").status_code == 303
    name = desk.do(lambda c: sessions.of_account(c, other.id, desk.clock.now())[0].name)
    assert visitor.post("/me/sessions/end", {"session": name}, page="/me").status_code == 404
    assert desk.browser().as_(foreign).get("/").status_code == 200
    assert visitor.post("/me/sessions/end-others", page="/me").status_code == 303


def test_a_passkey_is_added_named_and_removed_but_never_the_last_way_in(desk: SignedConsole) -> None:
    visitor, first, second = desk.browser(), Authenticator(), Authenticator(12)
    visitor.enrol(desk.link(), first)
    account = desk.do(lambda c: accounts.by_pseudonym(c, "A-17"))
    given = visitor.post("/me/passkeys/options", page="/me").json()
    form = {"ticket": given["ticket"], "assertion": second.make(given["options"]), "name": "key"}
    assert visitor.post("/me/passkeys/add", form, page="/me").status_code == 303
    mine = desk.do(lambda c: passkeys.of_account(c, account.id))
    assert sorted(one.name for one in mine) == ["key", "phone"]
    rename = {"key": mine[0].key_id, "name": "desk \u202e key"}
    assert visitor.post("/me/passkeys/name", rename, page="/me").status_code == 303
    assert visitor.post("/me/passkeys/remove", {"key": mine[0].key_id}, page="/me").status_code == 303
    refused = visitor.post("/me/passkeys/remove", {"key": mine[1].key_id}, page="/me")
    assert refused.status_code == 409
    assert len(desk.do(lambda c: passkeys.of_account(c, account.id))) == 1
    desk.clock.advance(601)
    assert visitor.post("/me/passkeys/options", page="/me").json() == {"again": True}
    assert visitor.post("/me/recovery", page="/me").status_code == 403


def test_a_password_is_set_on_ones_own_page_and_removed(desk: SignedConsole) -> None:
    visitor = desk.browser()
    visitor.enrol(desk.link(), Authenticator())
    secret = local.new_totp_secret()
    form = {"password": "short", "totp": secret, "code": code_of(secret, desk.clock)}
    assert visitor.post("/me/password", form, page="/me").status_code == 400
    assert visitor.post("/me/password", {**form, "password": PASSWORD, "code": "1"}, page="/me").status_code == 400
    assert visitor.post("/me/password", {**form, "password": PASSWORD}, page="/me").status_code == 303
    desk.clock.advance(30)
    good = {"name": "A-17", "password": PASSWORD, "code": code_of(secret, desk.clock)}
    assert desk.browser().post("/sign-in/password", good).status_code == 303
    assert visitor.post("/me/password/remove", page="/me").status_code == 303
    desk.clock.advance(30)
    good["code"] = code_of(secret, desk.clock)
    assert desk.browser().post("/sign-in/password", good).status_code == 403


def test_a_device_without_passkey_enrols_a_password_with_its_code(desk: SignedConsole) -> None:
    visitor, link = desk.browser(), desk.link()
    secret = re.search(r'name="totp" value="([A-Z2-7]{32})"', visitor.get("/enrol").text).group(1)
    form = {"link": link, "totp": secret, "password": PASSWORD, "code": "000000"}
    assert visitor.post("/enrol/password", form, page="/enrol").status_code == 400
    form["code"] = code_of(secret, desk.clock)
    assert visitor.post("/enrol/password", {**form, "password": "x" * 14}, page="/enrol").status_code == 400
    assert visitor.post("/enrol/password", {**form, "link": "x"}, page="/enrol").status_code == 404
    assert visitor.post("/enrol/password", form, page="/enrol").status_code == 200
    assert visitor.get("/me").status_code == 200


def test_every_page_of_sign_in_says_what_it_is(desk: SignedConsole) -> None:
    visitor = desk.browser()
    for path in ("/sign-in", "/enrol"):
        assert visitor.get(path).text.count("<h1>") == 1
    visitor.as_(desk.session(desk.account("A-17", Role.ADMIN).id))
    for path in ("/me", "/accounts"):
        assert visitor.get(path).text.count("<h1>") == 1


@pytest.mark.parametrize("path", ["/sign-in/oidc", "/sign-in/certificate", "/sign-in/demo", "/sign-in/oidc/done"])
def test_a_way_that_is_not_configured_does_not_exist(desk: SignedConsole, path: str) -> None:
    assert desk.browser().post(path).status_code == 404
    assert desk.browser().get("/sign-in/oidc/back").status_code == 404


def test_the_first_start_gives_one_link_and_the_second_replaces_it(desk: SignedConsole) -> None:
    import asyncio

    def first() -> str | None:
        signin = desk.signin
        return asyncio.run(links.first_link(signin.database, "https://console.example", desk.clock, member="port-a"))

    one, two = first(), first()
    assert one
    assert two
    assert one.startswith("https://console.example/enrol#")
    visitor = desk.browser()
    gone = visitor.post("/enrol/options", {"link": one.partition("#")[2]}, page="/enrol")
    assert gone.status_code == 404
    assert visitor.enrol(two.partition("#")[2], Authenticator()).status_code == 200
    assert first() is None


def test_every_session_cookie_is_for_this_host_this_site_and_no_script(desk: SignedConsole) -> None:
    key, visitor = Authenticator(), desk.browser()
    answers = [visitor.enrol(desk.link("A-17", frozenset(Role)), key), desk.browser().sign_in(key)]
    answers += [
        visitor.post("/me/display", page="/me"),
        desk.browser().as_(visitor.secret).post("/sign-out", page="/me"),
    ]
    for answer in answers:
        (cookie,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{sessions.COOKIE}=")]
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"path=/", "secure", "httponly", "samesite=strict"} <= parts
        assert not any(part.startswith("domain") for part in parts)
        assert answer.headers["cache-control"] == "no-store"
    assert sessions.COOKIE.startswith("__Host-")


def test_an_id_from_before_signing_in_opens_nothing_after(desk: SignedConsole) -> None:
    """Session fixation: neither an id that nobody has, nor that of whoever was signed in here before, becomes his."""
    key = Authenticator()
    desk.browser().enrol(desk.link(), key)
    for before, page in (("A" * 43, "/sign-in"), (desk.session(desk.account("B-02").id), "/")):
        victim = desk.browser().as_(before)
        given = victim.post("/sign-in/passkey/options", page=page).json()
        form = {"ticket": given["ticket"], "assertion": key.sign(given["options"])}
        assert victim.post("/sign-in/passkey", form, page=page).status_code == 303
        assert victim.secret != before
        assert desk.browser().as_(before).get("/").status_code == 303


def test_a_link_is_good_once_also_for_two_who_use_it_together(desk: SignedConsole) -> None:
    link, first, second = desk.link("A-17"), desk.browser(), desk.browser()
    keys = [Authenticator(1), Authenticator(2)]
    given = [one.post("/enrol/options", {"link": link}, page="/enrol").json() for one in (first, second)]
    codes = [
        browser.post(
            "/enrol/passkey",
            {"link": link, "ticket": shown["ticket"], "assertion": key.make(shown["options"]), "name": "x"},
            page="/enrol",
        ).status_code
        for browser, shown, key in zip((first, second), given, keys, strict=True)
    ]
    assert codes == [200, 404]
    account = desk.do(lambda c: accounts.by_pseudonym(c, "A-17"))
    assert len(desk.do(lambda c: passkeys.of_account(c, account.id))) == 1
    assert second.secret == ""


def test_a_code_older_than_the_last_one_used_is_good_no_more(desk: SignedConsole) -> None:
    secret = with_password(desk)
    desk.clock.advance(30)
    form = {"name": "a-17", "password": PASSWORD, "code": code_of(secret, desk.clock)}
    desk.clock.advance(30)
    newer = {**form, "code": code_of(secret, desk.clock)}
    assert desk.browser().post("/sign-in/password", newer).status_code == 303
    assert desk.browser().post("/sign-in/password", form).status_code == 403


def test_names_that_are_known_unknown_closed_or_without_password_cost_the_same_work(desk: SignedConsole) -> None:
    with_password(desk)
    desk.account("B-02")
    closed = desk.account("C-03")
    desk.do(lambda c: accounts.set_disabled(c, closed.id, disabled=True))
    hashed: list[str] = []
    verify = desk.signin.passwords.verify

    async def counted(stored: str, password: str) -> bool:
        hashed.append(password)
        return await verify(stored, password)

    object.__setattr__(desk.signin.passwords, "verify", counted)
    texts = set()
    for name in ("A-17", "B-02", "C-03", "nobody"):
        for way in ("password", "recovery"):
            form = {"name": name, "password": "wrong" * 5, "code": "000000", "recovery": "aaaa-bbbb-cccc-dddd"}
            answer = desk.browser().post(f"/sign-in/{way}", form)
            texts.add((answer.status_code, re.sub(r'(nonce|value|content)="[\w-]{22,}"', "", answer.text)))
    assert len(hashed) == 4
    assert len(texts) == 2  # one for each way, whoever it is


def test_a_display_that_reads_for_ninety_days_is_made_by_who_signed_in_just_now(desk: SignedConsole) -> None:
    account = desk.account("A-17", Role.APPROVER)
    visitor = desk.browser().as_(desk.session(account.id))
    desk.clock.advance(601)
    answer = visitor.post("/me/display", page="/me")
    assert answer.status_code == 403
    assert "Sign out and in again first" in answer.text
    assert not any(one.display for one in desk.do(lambda c: sessions.of_account(c, account.id, desk.clock.now())))
