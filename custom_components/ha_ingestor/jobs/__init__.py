"""Long jobs of a hub."""
