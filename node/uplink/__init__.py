"""The node's one connection to the hub: hands in the outbox, follows the feed, exchanges receipts, co-signs.

The only place in the node that knows protobuf and gRPC (``grpc_hub``); ``Uplink`` speaks to a ``Hub`` in domain
words, so that tests give it one without a socket.
"""

from node.uplink.hub import Answer, Description, Hub, Outcome, RecoverPart
from node.uplink.uplink import CutOffError, Uplink, UplinkParts

__all__ = ["Answer", "CutOffError", "Description", "Hub", "Outcome", "RecoverPart", "Uplink", "UplinkParts"]
