"""The working side: broker, messages, worker and steps. Nothing here touches the database."""
