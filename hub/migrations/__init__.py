"""Alembic revisions of the hub's database; ``hub.store.open_store`` runs them."""
