"""From the bus to points: filter, enrich, normalise. No I/O."""
