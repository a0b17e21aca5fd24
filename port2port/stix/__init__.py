"""Our STIX 2.1 profile: build, normalise, validate. From the author on, an object is opaque canonical
bytes.
"""
