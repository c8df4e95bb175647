"""The one way to read the past, whichever tier holds it."""
