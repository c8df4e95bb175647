"""What Home Assistant sees of storage: jobs, schedule, figures, archive."""
