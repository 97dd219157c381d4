"""Gating: numbers in, populations out."""
