"""The controller's gains: a data file beside this module."""

import json
from importlib import resources
from typing import NamedTuple


class Gains(NamedTuple):
    proportional: float
    """N·m per rad"""
    integral: float
    """N·m per rad·s"""
    derivative: float
    """N·m·s per rad"""
    effort_limit: float
    """N·m the motor can give"""


def load_gains():
    text = resources.files("arm").joinpath("gains.json").read_text(encoding="utf-8")
    return Gains(**json.loads(text))
