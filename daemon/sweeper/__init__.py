"""The sweeper: stands outside what it repairs."""
