"""Alembic's revisions of the node's database; ``node.store.open_store`` runs them."""
