"""Schema migrations, run by `headframe db upgrade`."""
