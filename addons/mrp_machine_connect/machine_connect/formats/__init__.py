"""One file a file format that carries results of machines."""
