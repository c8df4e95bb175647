"""The ages of data: tiers, downsampling, deletion by age, archive."""
