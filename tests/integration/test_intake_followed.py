"""What a terminal posts at the hub becomes a draft at its own port's node, over TLS with the node's own certificate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
from taxii2client.v21 import ApiRoot

from hub.taxii.places import ROOT_PATH
from node import drafts
from node.feed_settings import FeedSettings
from node.imports.following import Follower
from node.imports.session import GuardedSession
from node.settings import KeySettings
from port2port.imported import imported_in
from port2port.tlp import Tlp
from tests.fakes.foreign import PARTNER, a_desk, a_store
from tests.fakes.taxii_live import TERMINAL, Site, told


def test_what_a_terminal_posts_becomes_a_draft_at_its_port_and_once(tmp_path: Path) -> None:
    def story(site: Site) -> None:
        fed = site.hub.live.fed
        posted = orjson.loads(fed.indicator("beanr", tlp=Tlp.AMBER)) | {"created_by_ref": PARTNER}
        root = ApiRoot(
            site.consumer_url + ROOT_PATH,
            user=TERMINAL,
            password=site.secrets[TERMINAL],
            verify=str(site.home / "public.pem"),
        )
        root._conn.session.trust_env = False
        intake = next(item for item in root.collections if item.can_write)
        assert intake.add_objects({"objects": [posted]}).success_count == 1
        certificate, key, _serial = site.certificate("beanr")
        feed = FeedSettings(
            name="mpet",
            url=site.member_url + ROOT_PATH,
            collection=intake.id,
            hub=True,
            reliability="C3",
            allow_private_addresses=True,
        )
        keys = KeySettings(certificate=Path(certificate), tls=Path(key), ca=site.home / "ca.pem")
        store = a_store(tmp_path)
        try:
            follower = Follower(feed, lambda: GuardedSession(feed, keys), store)
            now = datetime.now(UTC)
            counts = [follower.poll(lambda: a_desk(now)) for _ in range(2)]
            (draft,) = store.read_now(drafts.listed)
        finally:
            store.close()
        assert [one["drafted"] for one in counts] == [1, 0]
        (brought,) = imported_in(draft.proposal.body).objects
        assert (brought.id, draft.proposal.tlp) == (posted["id"], Tlp.AMBER)
        assert imported_in(draft.proposal.body).grade.code == "C3"

    told(tmp_path, story)
