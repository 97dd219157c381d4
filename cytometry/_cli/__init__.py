"""Verbs of the command line that have a room of their own."""
