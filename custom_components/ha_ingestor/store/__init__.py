"""From point to disk to InfluxDB, and back: the data plane."""
