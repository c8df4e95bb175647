"""What others ask the hub for over HTTP, and the shapes of the answers."""
