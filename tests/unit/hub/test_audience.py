"""A visibility class decides as each of its entries would."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.audience import audience_from, class_key
from port2port.sharing import Audience, Outlet, member_reader, permits, visibility_key
from port2port.tlp import Tlp
from tests.fakes.examples import many
from tests.fakes.federation import Federation

_FED = Federation()
_FED.founding()
_FED.group("seaports", "beanr", "north-sea-port")
_MEMBERS = ("beanr", "north-sea-port", "belgg", "stranger")

_ANY = st.builds(
    Audience,
    issuer=st.sampled_from(_MEMBERS),
    kind=st.sampled_from(["publish", "sighting"]),
    control=st.booleans(),
    tlp=st.sampled_from([None, *Tlp]),
    groups=st.sampled_from([(), (("seaports", 1),), (("seaports", 9),), (("empty", 1), ("seaports", 1))]),
    recipients=st.sampled_from([(), ("belgg",), ("beanr", "belgg")]),
    handling=st.sampled_from([None, "act", "observe_only"]),
    purpose=st.sampled_from([None, "isps", "customs"]),
    personal_data=st.booleans(),
    realm=st.sampled_from(["real", "exercise:x1"]),
)


@settings(max_examples=many(200))
@given(_ANY)
def test_an_audience_and_its_class_get_the_same_decisions(audience: Audience) -> None:
    again = audience_from(class_key(audience))
    for member in _MEMBERS:
        for outlet in (Outlet.FEED, Outlet.HOT_LIST, Outlet.SEARCH):
            for purpose in (None, "isps"):
                asked = (member_reader(member), purpose, outlet, _FED.roster)
                assert permits(again, *asked) == permits(audience, *asked)


@settings(max_examples=many(200))
@given(_ANY, _ANY)
def test_class_keys_are_equal_exactly_where_visibility_keys_are(one: Audience, two: Audience) -> None:
    assert (class_key(one) == class_key(two)) == (visibility_key(one) == visibility_key(two))
