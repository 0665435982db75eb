"""What every layer uses: errors, files, validation, YAML, randomness."""
