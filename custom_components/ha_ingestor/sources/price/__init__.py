"""What electricity costs, slot by slot."""
