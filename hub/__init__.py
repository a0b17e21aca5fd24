"""The hub: checks, logs and hands on what the members publish."""
