"""The plan: what GNU make says that it would do, as advice on order and totals."""

from dgcc.master.plan.command import plan_command
from dgcc.master.plan.parse import parse
from dgcc.master.plan.planned import Plan, PlannedJob

__all__ = ["Plan", "PlannedJob", "parse", "plan_command"]
