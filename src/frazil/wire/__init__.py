"""Messages between Frazil's processes and the bodies of the REST API: the one shared contract.

Readers ignore fields that they do not know; a field's meaning never changes under the same name.
"""
