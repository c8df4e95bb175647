"""Outside data at work: one coordinator per source, and all of a hub together."""
