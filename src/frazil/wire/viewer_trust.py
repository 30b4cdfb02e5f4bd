"""What a native viewer needs to know of the gateway's certificate. The gateway's side writes it to
`settings.viewer_trust_file` at each start, for the controller to read: neither has more than the file of the other.
"""

from __future__ import annotations

from pydantic import Field

from frazil.wire.base import Message


class ViewerTrust(Message):
    """`host_subject` is None when the certificate's subject says nothing that its authority vouches for."""

    ca_pem: str = Field(description="The authority to trust, in PEM; empty for those that the viewer's system trusts")
    host_subject: str | None = Field(description="The certificate's subject, as spice-gtk compares it")
