"""The parts of acquisition quality control: arrays in, incidents out. They have never heard of arms or timepoints."""
