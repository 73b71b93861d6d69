"""The verdict on a recipe: may it travel, and why. Pure: nothing here touches more than the World it is given."""

from dgcc.master.verdict.decide import Verdict, decide
from dgcc.master.verdict.needs import Needs, Toolchain
from dgcc.master.verdict.rules import Rule, Rules, Where, travelling

__all__ = ["Needs", "Rule", "Rules", "Toolchain", "Verdict", "Where", "decide", "travelling"]
