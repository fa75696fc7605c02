"""The architectures, one file each; importing a file registers its builders."""
