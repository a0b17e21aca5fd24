"""What came from outside the federation, before anybody here has said it: markings, spellings, drafts.

The markings are read first, since everything else depends on how strict they are. What is odd is set apart one by
one. What remains becomes drafts, which an officer signs as ``import`` statements, and no rule ever does.
"""
