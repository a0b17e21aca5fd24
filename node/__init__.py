"""A port's own service: reads its sensors, lets officers review, publishes, verifies and matches."""
