"""Writes one bundle: a zip that Python runs. The same request gives the same bytes on any machine.

Request on standard input, JSON: {output, plan: {entry, name, package, roots}, files: [{name, source, sha256}]}.
Result on standard output: {changed: [source, …]}, the files that are no longer what the scan read; if there are any,
nothing is written.
"""

import hashlib
import json
import os
import sys
import zipfile

# The earliest time a zip can hold (APPNOTE 4.4.6, MS-DOS time).
EPOCH = (1980, 1, 1, 0, 0, 0)
PLACEHOLDER = "PLAN = {}"


def member(name, mode):
    info = zipfile.ZipInfo(name, EPOCH)
    info.create_system = 3  # Unix, whatever the host
    info.external_attr = mode << 16
    # Stored: a board's import does not have to inflate, and a changed line changes few bytes of the file.
    info.compress_type = zipfile.ZIP_STORED
    return info


def folders(names):
    """Every folder of the names: zipimport finds packages without __init__ only by an entry of their own."""
    found = set()
    for name in names:
        while "/" in name:
            name = name.rpartition("/")[0]
            found.add(f"{name}/")
    return found


def pack(request):
    contents, changed = {}, []
    for file in request["files"]:
        try:
            with open(file["source"], "rb") as stream:
                contents[file["name"]] = stream.read()
        except FileNotFoundError:
            contents[file["name"]] = b""
        if hashlib.sha256(contents[file["name"]]).hexdigest() != file["sha256"]:
            changed.append(file["source"])
    if changed:
        return {"changed": changed}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap.py"), encoding="utf-8") as stream:
        template = stream.read()
    plan = {key: request["plan"][key] for key in ("entry", "name", "package", "roots")}
    contents["__main__.py"] = template.replace(PLACEHOLDER, f"PLAN = {plan!r}", 1).encode()
    with zipfile.ZipFile(request["output"], "w") as archive:
        for name in sorted(contents.keys() | folders(contents)):
            if name.endswith("/"):
                info = member(name, 0o40755)
                info.external_attr |= 0x10  # MS-DOS directory flag
                archive.writestr(info, b"")
            else:
                archive.writestr(member(name, 0o100644), contents[name])
    return {"changed": []}


if __name__ == "__main__":
    json.dump(pack(json.load(sys.stdin)), sys.stdout)
