"""The conductor: the one who changes states. Takes reports and arrivals, applies them, sends out work."""
