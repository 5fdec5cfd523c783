"""Pages made of several rooms: the home pages and the health check."""
