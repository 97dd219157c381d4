"""Rooms of the comparison: designs, models, moderation, membership of families, caveats."""
