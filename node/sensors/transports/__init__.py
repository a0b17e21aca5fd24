"""Ways for bytes to come in. A transport knows no format: it hands on lines with their source and time."""
