"""What stands behind the commands: the database, or a service at a URL. Commands do not know which."""
