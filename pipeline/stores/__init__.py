"""Stores and their marketplace connections: what is sold, where, and with which settings.

Plain functions over a psycopg connection, which the caller commits. Here is neither Dagster nor any knowledge of a marketplace.
"""
