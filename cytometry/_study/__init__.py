"""How a study's files are read, checked together and guessed. Use cytometry.study."""
