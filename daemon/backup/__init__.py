"""Backups of an instance's schema by PostgreSQL's own pg_dump, and their restoration."""
