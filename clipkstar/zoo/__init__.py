"""Tiny open_clip models that ship with clipkstar: `<model>/<tag>/` in open_clip's local-dir format (see CARDS.md)."""
