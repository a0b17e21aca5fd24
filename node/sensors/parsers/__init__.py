"""Pure translators from received bytes to observations; for any bytes they return values and count, never raise."""
