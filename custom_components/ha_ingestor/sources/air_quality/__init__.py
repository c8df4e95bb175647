"""What is in the air outside."""
