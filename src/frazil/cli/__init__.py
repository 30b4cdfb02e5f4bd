"""The command line: composes the processes; the only place that knows all of them."""
