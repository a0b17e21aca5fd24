"""What leaves for machines that act on network traffic: Suricata rules, and a table of values."""

from node.rule_export.choosing import Chosen, LeftOut, Ordered, Wanted, choose
from node.rule_export.suricata import Rules, rules_of
from node.rule_export.values import rows_of

__all__ = ["Chosen", "LeftOut", "Ordered", "Rules", "Wanted", "choose", "rows_of", "rules_of"]
