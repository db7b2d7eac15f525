"""What is particular to a dual-phase xenon TPC: raw files, salt pulses, reconstruction."""
