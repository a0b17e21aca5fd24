"""What an operator does at the hub's machine, one module for each kind of work."""
