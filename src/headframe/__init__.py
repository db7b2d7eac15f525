"""headframe: a message-driven state machine that carries a detector's files from arrival to catalog."""

__version__ = "0.2.0"
