"""The parts of a cohort's run: what is given, and what is written."""
