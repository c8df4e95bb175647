"""Views: answers to common questions, as stored rows."""
