"""Outside data: what providers and other integrations know, as data of one kind."""
