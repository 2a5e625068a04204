"""Networks, and how to make their shapes sweepable (`jaxml.nn.padded`)."""
