"""The hub's TAXII 2.1 outlet: what others read without our software, and what terminals post."""
