"""What docs/imports.md promises is what the code does."""

from __future__ import annotations

import re

from node.foreign import misp, reading
from node.foreign.normalising import VALID_FOR
from node.imports import files, following, session
from port2port.imported import CONFIDENCES
from port2port.limits import MIB
from tests.fakes.checkout import REPOSITORY

TEXT = (REPOSITORY / "docs" / "imports.md").read_text(encoding="utf-8")


def test_every_attribute_type_that_is_carried_is_named_and_no_other() -> None:
    table = TEXT.partition("| attribute types |")[2].partition("\n\n")[0]
    named = {
        name.replace("\\|", "|")
        for row in table.splitlines()
        for name in re.findall(r"`([^`]+)`", row.rpartition(" | ")[0])
    }
    assert named == misp.CARRIED


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"at most {files.FILE_BYTES // 1024**3} GiB and an object {reading.OBJECT_BYTES // MIB} MiB" in TEXT
    assert f"a page of a feed {session.PAGE_BYTES // MIB} MiB, {following.PAGES_PER_POLL:,} pages" in TEXT
    times = (session.CONNECT_S, session.READ_S, session.WHOLE_S)
    assert "after {:g} s, each read after {:g} s, an answer after {:g} s".format(*times) in TEXT
    assert f"{VALID_FOR.days} days from when" in TEXT
    assert ", ".join(f"{digit} is {most}" for digit, most in CONFIDENCES.items()) in TEXT
