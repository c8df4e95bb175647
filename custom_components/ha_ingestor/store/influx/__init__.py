"""InfluxDB 1.x, 2.x and 3.x over the v1 API that all of them speak."""
