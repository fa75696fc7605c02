"""Files that are whole or absent: atomic writes, hashes, archives, locks, tables."""
