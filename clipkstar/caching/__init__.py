"""What was computed or found once, kept by what decides it, never by name."""
