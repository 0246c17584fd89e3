"""What the installed distributions of a folder say about themselves (packaging.python.org, "Core metadata")."""

import os
import re
from email.parser import HeaderParser


def describe(info):
    """{name, version, licence, requires: [name]} of a `.dist-info` folder; version and licence are None where it names none."""
    try:
        with open(os.path.join(info, "METADATA"), encoding="utf-8", errors="replace") as stream:
            fields = HeaderParser().parse(stream)
    except FileNotFoundError:
        fields = HeaderParser().parsestr("")
    name, _, version = os.path.basename(info).removesuffix(".dist-info").partition("-")
    licence = fields.get("License-Expression") or fields.get("License")
    return {
        "name": fields.get("Name") or name,
        "version": fields.get("Version") or version or None,
        # Older files hold whole texts, and UNKNOWN where nothing was given.
        "licence": None if licence is None or "\n" in licence or licence in ("", "UNKNOWN") else licence,
        "requires": sorted({_name(item) for item in fields.get_all("Requires-Dist", []) if "extra ==" not in item}),
    }


def top_level(info):
    """Top-level modules of an installed distribution, from its RECORD and top_level.txt."""
    names = set()
    for file in ("RECORD", "top_level.txt"):
        try:
            with open(os.path.join(info, file), encoding="utf-8") as stream:
                names.update(line.strip().partition(",")[0].partition("/")[0].removesuffix(".py") for line in stream)
        except FileNotFoundError:
            continue
    return names


def _name(requirement):
    """The distribution that a requirement is for: `numpy` of `numpy>=1.20; python_version > "3"` (PEP 508)."""
    return re.match(r"\s*([\w.-]*)", requirement)[1]
