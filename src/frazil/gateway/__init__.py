"""The one public port: TLS, pages and API forwarded, SPICE over WebSocket and through CONNECT.

`app.serve` is the process; `tls.ensure_certificates` is what root does before it starts.
"""
