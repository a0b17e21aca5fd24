"""``port2port-hub rebuild``: what is folded from the log is made anew, the same, and nothing that people added goes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hub import picture
from hub.__main__ import main
from hub.audience import Audiences
from hub.intake import Checker, IntakeJudge
from hub.store import open_store
from hub.tables import PICTURE_FACT, PICTURE_HEAD, PICTURE_ITEM, PICTURE_SEEN, SAVED_VIEW
from hub.taxii.attesting import Attestor
from hub.taxii.fold import Folding, fold
from hub.taxii_tables import TAXII_BODY, TAXII_ITEM
from hub.transparency import Log
from port2port.tlp import Tlp
from tests.fakes.federation import stix_id_of
from tests.fakes.hub_home import make_hub_home
from tests.fakes.picture import PictureDesk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from sqlalchemy.engine import Connection

    from hub.store import Store
    from tests.fakes.federation import Federation

FOLDED = (PICTURE_ITEM, PICTURE_FACT, PICTURE_HEAD)
ADDED = (PICTURE_SEEN, SAVED_VIEW)


def rows(connection: Connection, tables: tuple[sa.Table, ...]) -> list[list[tuple[object, ...]]]:
    return [
        [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))]
        for table in tables
    ]


def picture_of(fed: Federation, store: Store) -> PictureDesk:
    """The hub of this directory, admitting without a wire."""
    log = Log(store, origin=fed.origin, key=fed.log_key, clock=fed.clock)
    checker = Checker(
        federation=fed.name, genesis_hash=fed.genesis_hash, log=log, validate=fed.validate, clock=fed.clock
    )
    return PictureDesk(
        fed=fed, store=store, log=log, checker=checker, judge=IntakeJudge(Audiences()), audiences=Audiences()
    )


def spoil(connection: Connection) -> None:
    """What a careless hand, or a bug of an older version, may have done to the folded tables."""
    connection.execute(PICTURE_FACT.delete())
    connection.execute(PICTURE_ITEM.update().values(title="another title", visibility=10_000))
    connection.execute(PICTURE_ITEM.delete().where(PICTURE_ITEM.c.index == 2))


def test_rebuild_makes_the_picture_anew_from_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = make_hub_home(tmp_path / "hub")
    fed = home.fed
    indicator = fed.indicator("beanr")
    store = open_store(home.database)
    desk = picture_of(fed, store)
    try:
        desk.admit([fed.publish("beanr", objects=[indicator], handling="act")])
        desk.admit([fed.publish("belgg", tlp=Tlp.AMBER, recipients=("beanr",))], "belgg")
        desk.admit([fed.retract("beanr", [stix_id_of(indicator)])])
        seen = {"member": "belgg", "index": 2, "who": "o1", "at_ms": 7}
        store.database.write_now(lambda c: c.execute(PICTURE_SEEN.insert(), seen))
        store.database.write_now(lambda c: picture.save_view(c, "a1", "mine", picture.View(text="clone"), at_ms=7))
        folded, added = (store.database.read_now(partial(rows, tables=tables)) for tables in (FOLDED, ADDED))
        assert all(added)
        store.database.write_now(spoil)
        assert store.database.read_now(partial(rows, tables=FOLDED)) != folded
        assert main(["rebuild", "--config", str(home.config)]) == 0
        assert "folded 5 entries" in capsys.readouterr().out
        assert store.database.read_now(partial(rows, tables=FOLDED)) == folded
        assert store.database.read_now(partial(rows, tables=ADDED)) == added
    finally:
        store.close()


def test_rebuild_makes_collections_anew_and_keeps_their_dates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = make_hub_home(tmp_path / "hub")
    fed = home.fed
    store = open_store(home.database)
    desk = picture_of(fed, store)
    folded = (TAXII_ITEM, TAXII_BODY)
    folding = Folding(
        genesis_hash=fed.genesis_hash, federation=fed.name, attests=Attestor(desk.log, federation=fed.name)
    )
    try:
        desk.admit([fed.publish("beanr")])
        store.database.write_now(partial(fold, folding=folding, now_ms=1_800_000_000_000))
        before = store.database.read_now(partial(rows, tables=folded))
        kinds = {row.kind for row in store.database.read_now(lambda c: c.execute(sa.select(TAXII_ITEM)).all())}
        assert kinds == {"indicator", "p2p-attestation"}
        store.database.write_now(lambda c: c.execute(TAXII_ITEM.update().values(kind="note", visibility=10_000)))
        assert main(["rebuild", "--config", str(home.config)]) == 0
        assert "folded 3 entries into collections" in capsys.readouterr().out
        found = store.database.read_now(partial(rows, tables=folded))
        assert [row[0] for row in found[1]] == [row[0] for row in before[1]]
        assert len(found[0]) == len(before[0])
        again = store.database.read_now(partial(rows, tables=folded))
        assert main(["rebuild", "--config", str(home.config)]) == 0
        assert store.database.read_now(partial(rows, tables=folded)) == again
    finally:
        store.close()
