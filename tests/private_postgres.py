"""A pytest plugin: to be replaced; uses DATABASE_URL as given."""
