"""Actions, one module for each subject."""
