"""Who will be at home when, as calendars say."""
