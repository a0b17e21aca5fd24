"""The national picture: the screens of the hub."""
