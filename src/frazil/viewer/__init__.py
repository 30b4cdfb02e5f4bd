"""Asyncio SPICE client for headless viewing."""
