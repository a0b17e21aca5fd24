"""The officer's desk: the screens of a port's own node."""
