"""The hypervisor behind a narrow port (`port.Hypervisor`); libvirt's types stay in here."""
