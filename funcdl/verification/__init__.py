"""Doing runs again, from a study's own record, and comparing bits."""
