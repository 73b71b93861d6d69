"""The verdict on a recipe: may it travel, and why. Pure: nothing here touches more than the World it is given."""

from dgcc.master.verdict.decide import Rules, Verdict, decide

__all__ = ["Rules", "Verdict", "decide"]
