"""`frazil up` and `frazil down`: the three processes of one machine, and what they need before they start."""
