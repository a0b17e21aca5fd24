"""Which rpc is answered by whom: the whole table of both ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import grpc
from grpc_health.v1 import health_pb2

from hub.ca import CertificateAuthority
from hub.contacts import Contacts
from hub.enrolment import Enrolment
from hub.feed import Feed
from hub.intake import Intake
from hub.members import Members
from hub.quota import Quotas
from hub.receipts import Receipts
from hub.recovery import Recovery
from hub.rpc import health as health_service
from hub.rpc.directory import Directory
from hub.rpc.enrolment import EnrolmentService
from hub.rpc.exchange import Exchange
from hub.rpc.gate import Door, Gate, generic
from hub.rpc.health import Health
from hub.rpc.submit import Submission
from hub.rpc.transparency import Transparency
from hub.transparency import Cosigning, Log
from port2port.clock import Clock, to_ms
from port2port.keys import SigningKey
from port2port.limits import MemberQuota
from port2port.metrics import Metrics
from port2port.v1 import directory_pb2, enrolment_pb2, exchange_pb2, transparency_pb2

EXCHANGE: Final = "port2port.v1.Exchange"
TRANSPARENCY: Final = "port2port.v1.Transparency"
DIRECTORY: Final = "port2port.v1.Directory"
ENROLMENT: Final = "port2port.v1.Enrolment"
NAMES: Final = (EXCHANGE, TRANSPARENCY, DIRECTORY)
SUBMIT: Final = "Exchange.Submit"
FOLLOW: Final = "Exchange.Follow"
_WATCHERS: Final = 4
_RECOVERERS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the services are made of."""

    federation: str
    genesis_hash: str
    clock: Clock
    intake: Intake
    feed: Feed
    log: Log
    cosigning: Cosigning
    receipts: Receipts
    quotas: Quotas
    recovery: Recovery
    enrolment: Enrolment
    ca: CertificateAuthority
    hub_key: SigningKey
    metrics: Metrics
    health: Health
    members: Members
    contacts: Contacts
    quota: MemberQuota


def mutual(gate: Gate, parts: Parts) -> list[grpc.GenericRpcHandler]:
    """Everything on the port that asks for a client certificate."""
    return [_exchange(gate, parts), _transparency(gate, parts), _directory(gate, parts), _health(gate, parts)]


def enrolment(gate: Gate, parts: Parts) -> list[grpc.GenericRpcHandler]:
    """Everything on the port that does not."""
    service = EnrolmentService(parts.enrolment, parts.ca)
    handlers = {
        "Enrol": gate.open_unary("Enrolment.Enrol", enrolment_pb2.EnrolRequest, service.enrol),
        "Challenge": gate.open_unary("Enrolment.Challenge", enrolment_pb2.ChallengeRequest, service.challenge),
        "Renew": gate.open_unary("Enrolment.Renew", enrolment_pb2.RenewRequest, service.renew),
    }
    return [generic(ENROLMENT, handlers)]


def _exchange(gate: Gate, parts: Parts) -> grpc.GenericRpcHandler:
    exchange = Exchange(
        feed=parts.feed,
        receipts=parts.receipts,
        recovery=parts.recovery,
        quotas=parts.quotas,
        follows=lambda peer, cursor: parts.contacts.follows(peer, at_ms=to_ms(parts.clock.now()), cursor=cursor),
    )
    submission = Submission(intake=parts.intake, key=parts.hub_key, metrics=parts.metrics)
    handlers = {
        "Submit": gate.bidirectional(SUBMIT, submission.submit, limit=parts.quota.open_submit_streams),
        "Follow": gate.server_stream(
            FOLLOW, exchange_pb2.FollowRequest, exchange.follow, limit=parts.quota.open_follow_streams
        ),
        "Fetch": gate.unary("Exchange.Fetch", exchange_pb2.FetchRequest, exchange.fetch),
        "Receipts": gate.unary("Exchange.Receipts", exchange_pb2.ReceiptsRequest, exchange.receipts),
    }
    return generic(EXCHANGE, handlers)


def _transparency(gate: Gate, parts: Parts) -> grpc.GenericRpcHandler:
    service = Transparency(log=parts.log, cosigning=parts.cosigning, recovery=parts.recovery)
    handlers = {
        "GetCheckpoint": gate.unary(
            "Transparency.GetCheckpoint", transparency_pb2.GetCheckpointRequest, service.checkpoint
        ),
        "GetInclusion": gate.unary("Transparency.GetInclusion", transparency_pb2.InclusionRequest, service.inclusion),
        "GetConsistency": gate.unary(
            "Transparency.GetConsistency", transparency_pb2.ConsistencyRequest, service.consistency
        ),
        "GetLeaves": gate.unary("Transparency.GetLeaves", transparency_pb2.LeavesRequest, service.leaves),
        "Cosign": gate.unary("Transparency.Cosign", transparency_pb2.CosignRequest, service.cosign),
        "Recover": gate.client_stream("Transparency.Recover", service.recover, limit=_RECOVERERS),
    }
    return generic(TRANSPARENCY, handlers)


def _directory(gate: Gate, parts: Parts) -> grpc.GenericRpcHandler:
    service = Directory(
        federation=parts.federation,
        genesis_hash=parts.genesis_hash,
        clock=parts.clock,
        enrolment=parts.enrolment,
        members=parts.members,
        contacts=parts.contacts,
    )
    describe = gate.unary("Directory.Describe", directory_pb2.DescribeRequest, service.describe, door=Door.CERTIFICATE)
    offer_keys = gate.unary("Directory.OfferKeys", directory_pb2.OfferKeysRequest, service.offer_keys)
    return generic(DIRECTORY, {"Describe": describe, "OfferKeys": offer_keys})


def _health(gate: Gate, parts: Parts) -> grpc.GenericRpcHandler:
    kind = health_pb2.HealthCheckRequest
    handlers = {
        "Check": gate.unary("Health.Check", kind, parts.health.check, door=Door.CERTIFICATE),
        "Watch": gate.server_stream("Health.Watch", kind, parts.health.watch, limit=_WATCHERS, door=Door.CERTIFICATE),
    }
    return generic(health_service.SERVICE, handlers)
