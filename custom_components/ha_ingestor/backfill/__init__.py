"""History: what happened while nobody captured it, brought into the same series."""
