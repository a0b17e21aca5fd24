"""The edges of a node towards its sensors: transports bring bytes, parsers make observations, the gate judges them."""
