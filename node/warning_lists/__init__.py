"""The false-positive gate: what is known to be harmless is neither published nor watched unless an officer says so."""
