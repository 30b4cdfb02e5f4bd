"""The REST API under /api/v1: endpoint tables, who may call what, errors as problem documents."""
