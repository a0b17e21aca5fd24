"""The wire: one serialised form, nothing unknown in it, and a status for every error there is."""

from __future__ import annotations

import importlib
import pkgutil

import grpc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import port2port
from port2port import errors, wire
from port2port.envelope import PAYLOAD_TYPE, SaltedObject, Signature
from port2port.limits import LIMITS
from port2port.v1 import envelope_pb2
from port2port.wire import EncodingError
from tests.fakes.examples import many

SIGNATURES = (Signature(key_id="01" * 32, sig=b"s" * 64), Signature(key_id="02" * 32, sig=b"t" * 64))
OBJECTS = (SaltedObject(salt=b"n" * 32, body=b'{"type":"indicator"}'),)
SIGNED = wire.encode_signed(PAYLOAD_TYPE, b"{}", SIGNATURES)
RAW = wire.encode_envelope(SIGNED, OBJECTS)


def test_what_is_encoded_is_decoded():
    found = wire.decode_envelope(RAW)
    assert (found.signed, found.payload_type, found.statement) == (SIGNED, PAYLOAD_TYPE, b"{}")
    assert (found.signatures, found.objects) == (SIGNATURES, OBJECTS)


def _nested(field: int, inner: bytes) -> bytes:
    return bytes([field << 3 | 2, len(inner)]) + inner


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(RAW + b"\x1a\x01x", id="unknown field in the envelope"),
        pytest.param(RAW + b"\xfa\x3f\x01x", id="unknown field with a large number"),
        pytest.param(wire.encode_envelope(SIGNED + b"\x22\x01x", OBJECTS), id="unknown field in the signed statement"),
        pytest.param(
            wire.encode_envelope(SIGNED + _nested(3, b"\x0a\x01k\x12\x01s\x1a\x01x"), ()), id="unknown in a signature"
        ),
        pytest.param(RAW + _nested(2, b"\x0a\x01n\x12\x01o\x1a\x01x"), id="unknown beside an object"),
        pytest.param(RAW[:-1], id="truncated"),
        pytest.param(b"\x0a\x80\x00", id="a length in two bytes where one does"),
        pytest.param(_nested(2, b"\x12\x01o\x0a\x01n"), id="fields out of order"),
        pytest.param(b"\x0a\x00" + RAW, id="an empty field written out"),
        pytest.param(RAW + RAW, id="twice"),
        pytest.param(wire.encode_envelope(b"\x0a\x01\xff", ()), id="payload type not UTF-8"),
        pytest.param(wire.encode_envelope(b"\xff\xff", ()), id="signed statement is no message"),
        pytest.param(b"\x0b" * 200, id="groups in groups"),
    ],
)
def test_another_serialisation_is_refused(raw):
    with pytest.raises(EncodingError):
        wire.decode_envelope(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(bytes(LIMITS.envelope_bytes + 1), id="bytes"),
        pytest.param(b"\x12\x00" * 65, id="objects"),
        pytest.param(wire.encode_envelope(b"\x1a\x00" * 9, ()), id="signatures"),
        pytest.param(wire.encode_envelope(b"\x1a\x00" * 500_000, ()), id="half a million signatures"),
    ],
)
def test_too_much_of_anything_is_refused(raw):
    with pytest.raises(errors.TooLargeError):
        wire.decode_envelope(raw)


def test_nothing_is_an_envelope_with_nothing_in_it():
    """Later steps refuse it: here only the form is judged."""
    assert wire.decode_envelope(b"").statement == b""


@settings(max_examples=many(2_000), deadline=None)
@given(st.binary(max_size=300) | st.tuples(st.integers(0, len(RAW) - 1), st.binary(max_size=3)))
@example(RAW)
def test_any_bytes_are_refused_or_serialise_to_themselves(given_):
    raw = given_ if isinstance(given_, bytes) else RAW[: given_[0]] + given_[1] + RAW[given_[0] + 1 :]
    try:
        found = wire.decode_envelope(raw)
    except errors.MalformedError:
        return
    assert wire.encode_envelope(found.signed, found.objects) == raw
    assert wire.encode_signed(found.payload_type, found.statement, found.signatures) == found.signed


def test_what_other_protobuf_code_serialises_we_read():
    message = envelope_pb2.Envelope(signed=SIGNED)
    message.objects.add(salt=b"n" * 32, object=b'{"type":"indicator"}')
    assert wire.decode_envelope(message.SerializeToString()) == wire.decode_envelope(RAW)


def _kernel_errors() -> list[type[errors.Port2PortError]]:
    for module in pkgutil.walk_packages(port2port.__path__, "port2port."):
        if "__main__" not in module.name and ".v1" not in module.name:
            importlib.import_module(module.name)
    found = [errors.Port2PortError]
    for error in found:
        found.extend(error.__subclasses__())
    return found


EXPECTED = [
    (errors.ConfigurationError, "FAILED_PRECONDITION"),
    (errors.MalformedError, "INVALID_ARGUMENT"),
    (errors.VerificationError, "INVALID_ARGUMENT"),
    (errors.PolicyError, "PERMISSION_DENIED"),
    (errors.ConflictError, "ABORTED"),
    (errors.NotFoundError, "NOT_FOUND"),
    (errors.BackpressureError, "RESOURCE_EXHAUSTED"),
    (errors.UnavailableError, "UNAVAILABLE"),
    (errors.InvariantError, "INTERNAL"),
]


def test_every_error_of_the_kernel_has_a_status_of_its_family():
    found = _kernel_errors()
    assert len(found) > 30
    for error in found:
        status = wire.status_of(error.__new__(error))
        assert status in grpc.StatusCode.__members__
        assert status == next((name for family, name in EXPECTED if issubclass(error, family)), "INTERNAL")


def test_what_can_be_tried_again_is_told_by_status():
    """A client that knows only gRPC still does the right thing."""
    for error in _kernel_errors():
        retryable = wire.status_of(error.__new__(error)) in {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}
        assert retryable == error.retryable, error
