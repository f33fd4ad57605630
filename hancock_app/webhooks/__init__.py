"""Webhook verification: signatures, timestamps and replays."""
