"""Tables of entity descriptions."""
