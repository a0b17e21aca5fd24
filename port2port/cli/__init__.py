"""The sub-commands of ``port2port``: each module has ``add_parser`` and ``run``, wired in ``__main__``."""
