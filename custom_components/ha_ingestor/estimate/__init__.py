"""How much a choice of entities and sampling rules will write."""
