"""The topics between controller and planner: messages.json describes their records for both languages."""

import json
from importlib import resources

RECORDS = json.loads(resources.files("arm").joinpath("messages.json").read_text(encoding="utf-8"))
