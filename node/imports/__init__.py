"""A partner's TAXII collections and files, read with care and followed without gap; what they say becomes drafts."""
