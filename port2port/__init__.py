"""The shared kernel: statements, envelopes, roster, log, verification. Imports neither node nor hub."""
