"""The commands of a port's node; each module loads only when its command is run."""
