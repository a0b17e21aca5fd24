"""What TAXII 2.1 (OASIS Standard, 10 June 2021) demands of a server, in the order of its sections."""

from __future__ import annotations

import re
import uuid
from typing import Any

import orjson
import pytest

from hub.taxii.answers import MOST_BYTES
from hub.taxii.envelope import taken_apart
from hub.taxii.errors import MEDIA_TYPE
from hub.taxii.model import Kind
from hub.taxii.parameters import MOST
from hub.taxii.places import DISCOVERY_PATH, ROOT_PATH
from port2port.errors import MalformedError
from port2port.stix.validate import require_depth
from tests.fakes.taxii_shelf import basic, stix
from tests.fakes.taxii_site import HOST, SIEM, TERMINAL, Site, in_parts

DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ENVELOPE: dict[str, Any] = {"objects": [orjson.loads(stix(900))]}


def places(site: Site) -> list[str]:
    """Every endpoint that can be read, with something in it."""
    siem = site.collection(Kind.SIEM)
    item = site.shelf.add(siem, stix(1))[0]
    collection = f"{ROOT_PATH}collections/{siem.id}/"
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    status = site.post(site.objects(intake), ENVELOPE).json()["id"]
    return [
        DISCOVERY_PATH,
        ROOT_PATH,
        f"{ROOT_PATH}collections/",
        collection,
        f"{collection}manifest/",
        f"{collection}objects/",
        f"{collection}objects/{item.stix_id}/",
        f"{collection}objects/{item.stix_id}/versions/",
        f"{ROOT_PATH}status/{status}/",
    ]


# --- 1.6 and 3: HTTP, media types, authentication, errors -----------------------------------------------------------


def test_1_6_8_every_answer_has_the_media_type_of_this_version_and_no_other_spelling(site: Site) -> None:
    for path in places(site):
        found = site.get(path, who=TERMINAL)
        assert (found.status_code, found.headers["content-type"]) == (200, MEDIA_TYPE), path


@pytest.mark.parametrize(
    "accept",
    [
        MEDIA_TYPE,
        "application/taxii+json",
        "application/taxii+json; version=2.1",
        'application/taxii+json ; version="2.1"',
        "*/*",
        "application/*;q=0.1",
        "text/html, application/taxii+json;version=2.1;q=0.5",
        "application/taxii+json;version=2.0, application/taxii+json;version=2.1",
        "",
    ],
)
def test_1_6_8_2_what_asks_for_this_version_or_for_any_is_answered(site: Site, accept: str) -> None:
    assert site.get(DISCOVERY_PATH, headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize(
    "accept",
    [
        "application/taxii+json;version=2.0",
        "application/vnd.oasis.taxii+json",
        "text/html",
        "application/json",
        "application/taxii+json;version=2.1;q=0",
        "application/taxii+json;version=2.1;q=0, */*",
        ";;;",
        "x" * 9_000,
    ],
)
def test_1_6_8_2_other_media_types_are_406(site: Site, accept: str) -> None:
    found = site.get(DISCOVERY_PATH, headers={"Accept": accept})
    assert (found.status_code, found.json()["http_status"]) == (406, "406")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (MEDIA_TYPE, 202),
        ("application/taxii+json", 202),
        ("application/taxii+json; version=2.1; charset=utf-8", 202),
        ("application/stix+json;version=2.1", 202),
        ("application/taxii+json;version=2.0", 415),
        ("application/json", 415),
        ("", 415),
    ],
)
def test_1_6_8_2_content_of_other_media_types_is_415(site: Site, content_type: str, status: int) -> None:
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    found = site.post(site.objects(intake), ENVELOPE, headers={"Content-Type": content_type})
    assert found.status_code == status


def test_1_6_9_a_path_without_its_slash_or_with_doubled_ones_is_the_same_place(site: Site) -> None:
    for path in places(site):
        whole = site.get(path, who=TERMINAL)
        for other in (path[:-1], path.replace("/", "//"), path + "/"):
            assert site.get(HOST + other, who=TERMINAL).content == whole.content, other


def test_1_7_nobody_is_answered_without_credentials(site: Site) -> None:
    for path in [*places(site), "/", "/favicon.ico", f"{ROOT_PATH}nothing/"]:
        found = site.get(path, who=None)
        assert found.status_code == 401
        assert found.headers["www-authenticate"].startswith("Basic ")
        assert "Bearer" in found.headers["www-authenticate"]
        assert (found.headers["content-type"], found.json()["http_status"]) == (MEDIA_TYPE, "401")


def test_1_7_2_a_bearer_token_does_as_well_as_basic(site: Site) -> None:
    bearer = {"Authorization": f"Bearer {SIEM}.{site.secrets[SIEM]}"}
    assert site.get(DISCOVERY_PATH, headers=bearer).status_code == 200


def test_3_2_dates_of_the_first_and_the_last_object_stand_in_the_headers(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, *map(stix, range(3)))
    found = site.get(site.objects(siem))
    dates = [row["date_added"] for row in site.get(f"{ROOT_PATH}collections/{siem.id}/manifest/").json()["objects"]]
    assert [found.headers["x-taxii-date-added-first"], found.headers["x-taxii-date-added-last"]] == [dates[0], dates[2]]
    assert all(DATE.fullmatch(date) for date in dates)


@pytest.mark.parametrize("place", ["objects/", "manifest/", "objects/{id}/", "objects/{id}/versions/"])
def test_3_2_every_page_of_objects_or_of_what_is_said_of_them_has_these_dates(site: Site, place: str) -> None:
    siem = site.collection(Kind.SIEM)
    item = site.shelf.add(siem, stix(1))[0]
    path = f"{ROOT_PATH}collections/{siem.id}/{place.format(id=item.stix_id)}"
    found = site.get(path)
    assert DATE.fullmatch(found.headers["x-taxii-date-added-first"])
    assert found.headers["x-taxii-date-added-first"] == found.headers["x-taxii-date-added-last"]
    empty = site.get(path, params={"added_after": found.headers["x-taxii-date-added-last"]})
    assert (empty.status_code, "x-taxii-date-added-last" in empty.headers) == (200, False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/taxii2/other/", 404),
        ("GET", f"{ROOT_PATH}collections/nothing/", 404),
        ("GET", f"{ROOT_PATH}status/nothing/", 404),
        ("POST", DISCOVERY_PATH, 405),
        ("PUT", ROOT_PATH, 405),
        ("PATCH", f"{ROOT_PATH}collections/", 405),
        ("TRACE", ROOT_PATH, 405),
    ],
)
def test_3_6_errors_are_error_messages_and_never_pages(site: Site, method: str, path: str, status: int) -> None:
    found = site.ask(method, path)
    assert (found.status_code, found.headers["content-type"]) == (status, MEDIA_TYPE)
    assert found.json()["title"]
    assert found.json()["http_status"] == str(status)
    assert ("allow" in found.headers) is (status == 405)


def test_3_6_what_breaks_inside_is_told_to_nobody(site: Site) -> None:
    site.shelf.fail = RuntimeError("a secret of the database")
    found = site.get(f"{ROOT_PATH}collections/")
    assert (found.status_code, found.headers["content-type"]) == (500, MEDIA_TYPE)
    assert b"secret" not in found.content


# --- 3.4 and 3.5: filters, sorting, pages ---------------------------------------------------------------------------


def test_3_4_added_after_excludes_its_own_moment(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, *map(stix, range(4)))
    rows = site.get(f"{ROOT_PATH}collections/{siem.id}/manifest/").json()["objects"]
    later = site.get(site.objects(siem), params={"added_after": rows[1]["date_added"]}).json()["objects"]
    assert [item["id"] for item in later] == [row["id"] for row in rows[2:]]


@pytest.mark.parametrize("fraction", ["", ".0", ".12", ".123", ".1234", ".12345", ".123456"])
def test_3_4_a_timestamp_has_any_fraction_up_to_six_digits(site: Site, fraction: str) -> None:
    siem = site.collection(Kind.SIEM)
    asked = {"added_after": f"2016-01-01T00:00:00{fraction}Z"}
    assert site.get(site.objects(siem), params=asked).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "added_after=yesterday",
        "added_after=2016-01-01",
        "added_after=2016-01-01T00:00:00",
        "added_after=2016-13-01T00:00:00Z",
        "added_after=2016-02-30T00:00:00Z",
        "added_after=2016-01-01T24:00:00Z",
        "added_after=2016-01-01T00:00:00.1234567Z",
        "added_after=",
        "added_after=%FF",
        "added_after=2016-01-01T00:00:00Z&added_after=2016-01-01T00:00:00Z",
        "limit=0",
        "limit=-1",
        "limit=1.5",
        "limit=%D9%A1",
        "limit=",
        "limit=1&limit=1",
        "next=",
        "next=made-up",
        "next=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "match[id]=nothing",
        "match[id]=",
        "match[type]=Indicator",
        "match[type]=indicator,,malware",
        "match[version]=newest",
        "match[version]=last&match[version]=all",
        "match[spec_version]=two",
    ],
)
def test_3_4_malformed_and_repeated_parameters_are_400(site: Site, query: str) -> None:
    siem = site.collection(Kind.SIEM)
    for place in ("objects/", "manifest/"):
        found = site.get(f"{ROOT_PATH}collections/{siem.id}/{place}?{query}")
        assert (found.status_code, found.json()["http_status"]) == (400, "400"), place


def test_3_4_1_values_of_one_match_are_alternatives_and_several_matches_go_together(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    items = site.shelf.add(siem, stix(1), stix(2, kind="malware"), stix(3))
    asked = {"match[id]": f"{items[0].stix_id},{items[1].stix_id}", "match[type]": "malware"}
    found = site.get(site.objects(siem), params=asked).json()["objects"]
    assert [item["id"] for item in found] == [items[1].stix_id]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (None, [2]),
        ("last", [2]),
        ("first", [0]),
        ("all", [0, 1, 2]),
        ("first,last", [0, 2]),
        ("2026-11-22T00:00:01.000Z", [1]),
        ("2026-11-22T00:00:01Z,last", [1, 2]),
    ],
)
def test_3_4_1_versions_are_chosen_and_the_last_alone_without(
    site: Site, version: str | None, expected: list[int]
) -> None:
    siem = site.collection(Kind.SIEM)
    item = site.shelf.add(siem, *(stix(1, version=number) for number in range(3)))[0]
    asked = {} if version is None else {"match[version]": version}
    for path in (site.objects(siem), f"{site.objects(siem)}{item.stix_id}/"):
        found = site.get(path, params=asked).json()["objects"]
        assert [item["modified"] for item in found] == [f"2026-11-22T00:00:0{at}.000Z" for at in expected]


def test_3_5_limit_is_kept_and_more_comes_with_next(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, *map(stix, range(5)))
    first = site.get(site.objects(siem), params={"limit": 2}).json()
    assert (len(first["objects"]), first["more"]) == (2, True)
    rest = site.get(site.objects(siem), params={"limit": MOST + 1, "next": first["next"]}).json()
    assert (len(rest["objects"]), rest["more"], "next" in rest) == (3, False, False)


# --- 4: discovery, API root, status ---------------------------------------------------------------------------------


def test_4_1_discovery_is_on_the_host_root_and_names_its_default_root(site: Site) -> None:
    found = site.get("/taxii2/").json()
    assert found["title"]
    assert found["api_roots"] == [f"{HOST}{ROOT_PATH}"]
    assert found["default"] in found["api_roots"]


def test_4_2_the_root_names_its_versions_and_how_long_content_may_be(site: Site) -> None:
    found = site.get(ROOT_PATH).json()
    assert (found["versions"], found["max_content_length"]) == ([MEDIA_TYPE], MOST_BYTES)
    assert found["title"]


def test_4_3_a_status_is_there_after_the_post_and_for_its_author_alone(site: Site) -> None:
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    posted = site.post(site.objects(intake), {"objects": [*ENVELOPE["objects"], {"type": "indicator", "id": "x"}]})
    path = f"{ROOT_PATH}status/{posted.json()['id']}/"
    again = site.get(path, who=TERMINAL)
    assert again.json() == posted.json()
    told = again.json()
    counts = [told[f"{what}_count"] for what in ("total", "success", "failure", "pending")]
    assert (told["status"], counts) == ("complete", [2, 1, 1, 0])
    assert [one["id"] for one in told["successes"]] == [ENVELOPE["objects"][0]["id"]]
    assert told["failures"][0]["message"]
    assert DATE.fullmatch(told["request_timestamp"]), "section 2: unlike those of STIX, with microseconds"
    assert told["failures"][0]["version"] == told["request_timestamp"], "section 4.3.2: what has no version"
    assert site.get(path, who=SIEM).status_code == 404


# --- 5: collections, manifests, objects -----------------------------------------------------------------------------


def test_5_1_collections_have_distinct_uuids_of_version_4_and_distinct_titles(site: Site) -> None:
    found = site.get(f"{ROOT_PATH}collections/").json()["collections"]
    ids = [uuid.UUID(item["id"]) for item in found]
    assert {ident.version for ident in ids} == {4}
    assert len({*ids}) == len({item["title"] for item in found}) == len(found)
    assert all(isinstance(item[name], bool) for item in found for name in ("can_read", "can_write"))
    for item in found:
        assert site.get(f"{ROOT_PATH}collections/{item['id']}/").json() == item


def test_5_2_a_collection_that_is_hidden_answers_as_one_that_does_not_exist(site: Site) -> None:
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    for place in ("", "manifest/", "objects/", f"objects/indicator--{uuid.uuid4()}/"):
        hidden = site.get(f"{ROOT_PATH}collections/{intake.id}/{place}")
        absent = site.get(f"{ROOT_PATH}collections/{uuid.uuid4()}/{place}")
        assert (hidden.status_code, hidden.content) == (404, absent.content)
        assert hidden.headers.raw == absent.headers.raw


def test_5_3_a_manifest_lists_what_the_objects_are(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    items = site.shelf.add(siem, *map(stix, range(3)))
    found = site.get(f"{ROOT_PATH}collections/{siem.id}/manifest/").json()
    assert [(row["id"], row["version"]) for row in found["objects"]] == [(item.stix_id, item.version) for item in items]
    assert {row["media_type"] for row in found["objects"]} == {"application/stix+json;version=2.1"}


def test_5_4_an_envelope_holds_the_bytes_that_were_stored(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    raws = [stix(number) for number in range(3)]
    site.shelf.add(siem, *raws)
    assert b",".join(raws) in site.get(site.objects(siem)).content


def test_5_4_nothing_to_tell_is_an_empty_envelope_without_dates(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    found = site.get(site.objects(siem))
    assert (found.content, "x-taxii-date-added-first" in found.headers) == (b"{}", False)


def test_5_4_a_collection_that_may_only_be_written_is_403_to_read(site: Site) -> None:
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    assert (intake.can_read, intake.can_write) == (False, True)
    for place in ("objects/", "manifest/", f"objects/indicator--{uuid.uuid4()}/versions/"):
        assert site.get(f"{ROOT_PATH}collections/{intake.id}/{place}", who=TERMINAL).status_code == 403


def test_5_5_a_collection_that_may_only_be_read_is_403_to_write(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    assert site.post(site.objects(siem), ENVELOPE, who=SIEM).status_code == 403
    item = site.shelf.add(siem, stix(1))[0]
    assert site.ask("DELETE", f"{site.objects(siem)}{item.stix_id}/").status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        ([], 422),
        ({}, 422),
        ({"objects": {}}, 422),
        ({"objects": []}, 422),
        ({"objects": [1, "two", None]}, 422),
        ({"objects": [{"id": "indicator--1"}]}, 422),
        ({"type": "bundle", "id": f"bundle--{uuid.UUID(int=0)}", "objects": ENVELOPE["objects"]}, 422),
        (ENVELOPE["objects"][0], 422),
        ({"objects": ENVELOPE["objects"] * 1_001}, 422),
        ({"objects": [*ENVELOPE["objects"], {"id": "no type"}]}, 202),
    ],
)
def test_5_5_what_is_no_envelope_is_refused_and_nothing_of_it_kept(site: Site, body: Any, status: int) -> None:
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    found = site.post(site.objects(intake), body)
    assert found.status_code == status
    assert found.headers["content-type"] == MEDIA_TYPE


def test_5_5_an_object_that_is_too_deep_is_refused_and_its_neighbours_are_taken(site: Site) -> None:
    good, deep = orjson.loads(stix(1)), orjson.loads(stix(2))
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    nested = b'{"objects":[%b,%b]}' % (stix(1), stix(2)[:-1] + b',"x":' + b"[" * 600 + b"]" * 600 + b"}")
    found = site.post(site.objects(intake), nested)
    assert found.status_code == 202
    kept = taken_apart(nested)
    assert orjson.loads(kept[0]) == good
    assert orjson.loads(kept[1])["id"] == deep["id"]
    with pytest.raises(MalformedError, match="nested deeper"):
        require_depth(kept[1])


def test_5_5_content_longer_than_the_root_says_is_413_whatever_it_claims(site: Site) -> None:
    intake = site.collection(Kind.INTAKE, "mpet", seen_by=TERMINAL)
    long = b" " * (MOST_BYTES + 1)
    assert site.post(site.objects(intake), long).status_code == 413
    headers = {"Content-Type": MEDIA_TYPE}
    parts = in_parts(*[b" " * 65_536] * 17)
    assert site.ask("POST", site.objects(intake), who=TERMINAL, headers=headers, content=parts).status_code == 413


def test_5_6_an_object_is_had_by_its_id_and_404_where_there_is_none(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    shown, hidden = site.shelf.add(siem, stix(1), stix(2))
    site.shelf.hidden = {hidden.number}
    assert site.get(f"{site.objects(siem)}{shown.stix_id}/").json()["objects"] == [orjson.loads(stix(1))]
    for place in ("", "versions/"):
        answers = [
            site.get(f"{site.objects(siem)}{ident}/{place}")
            for ident in (hidden.stix_id, f"indicator--{uuid.uuid4()}", "nothing", "%00", "x" * 500)
        ]
        assert {(found.status_code, found.content) for found in answers} == {(404, answers[0].content)}


def test_5_6_an_object_that_a_filter_leaves_out_is_there_all_the_same(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    item = site.shelf.add(siem, stix(1))[0]
    found = site.get(f"{site.objects(siem)}{item.stix_id}/", params={"added_after": "2099-01-01T00:00:00Z"})
    assert (found.status_code, found.content) == (200, b"{}")


def test_5_7_who_may_read_and_write_may_delete_and_then_it_is_gone(site: Site) -> None:
    member = site.member_view("beanr")
    intake = site.shelf.of(member, Kind.INTAKE, "mpet")
    assert (intake.can_read, intake.can_write) == (True, True)
    item = site.shelf.add(intake, stix(1))[0]
    site.as_member("beanr")
    path = f"{site.objects(intake)}{item.stix_id}/"
    assert [site.ask("DELETE", path).status_code for _ in range(2)] == [200, 404]
    assert site.get(path).status_code == 404


def test_5_8_versions_are_listed_from_the_first_to_the_last_added(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    item = site.shelf.add(siem, *(stix(1, version=number) for number in range(3)))[0]
    found = site.get(f"{site.objects(siem)}{item.stix_id}/versions/").json()
    assert found["versions"] == [f"2026-11-22T00:00:0{number}.000Z" for number in range(3)]


# --- HTTP itself ----------------------------------------------------------------------------------------------------


def test_head_answers_as_get_without_a_body_and_options_names_the_methods(site: Site) -> None:
    for path in places(site):
        whole, head = site.get(path, who=TERMINAL), site.ask("HEAD", path, who=TERMINAL)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == whole.headers["content-length"]
        assert "GET" in site.ask("OPTIONS", path, who=TERMINAL).headers["allow"]


def test_a_page_is_compressed_where_that_is_asked_for_and_not_where_it_is_refused(site: Site) -> None:
    siem = site.collection(Kind.SIEM)
    site.shelf.add(siem, *map(stix, range(50)))
    plain = site.get(site.objects(siem), headers={"Accept-Encoding": "gzip;q=0, identity"})
    small = site.get(site.objects(siem), headers={"Accept-Encoding": "deflate, gzip"})
    assert ("content-encoding" in plain.headers, small.headers["content-encoding"]) == (False, "gzip")
    assert plain.json() == small.json()
    assert int(small.headers["content-length"]) < len(plain.content)


def test_a_hub_whose_log_is_not_open_says_try_again_and_shows_nothing(site: Site) -> None:
    site.open = False
    found = site.get(f"{ROOT_PATH}collections/")
    assert (found.status_code, found.headers["content-type"], found.json()["http_status"]) == (503, MEDIA_TYPE, "503")
    assert int(found.headers["retry-after"]) > 0


def test_a_wrong_secret_in_the_right_form_is_401(site: Site) -> None:
    for header in (basic(SIEM, "wrong"), "Basic !!!", "Basic", f"Bearer {SIEM}", "Digest x", "Bearer ." + "x" * 2_000):
        assert site.get(DISCOVERY_PATH, headers={"Authorization": header}).status_code == 401, header
