"""Gates and terminals ask about one passage at a time and are told ``proceed`` or ``routine check``; there is no list.

The story of a question. A system of the port asks over TLS, by a secret of its own (``server``). Its value is looked
up among the indicators that ask for more than to be observed (``listed``), and at the same time lots are drawn, always
both (``draw``). The answer, and which of the two it was, is written down (``ledger``) before it is given, in a form,
a size and a time that are the same for all. Later, and apart from the answer, the officers of the case are told at
their desk (``telling``). Nothing else says what a question found: no log line, no figure, no answer.
"""
