"""The hub's gRPC edge: who calls, what may be asked, and how errors look from outside. Protobuf ends here."""
