"""Reads what one Python entry needs. Request and result are JSON on standard input and output.

Request: {entry, project, vendor, sdk}: absolute paths.
Result: {entry, name, package, roots, files: [{name, source, sha256}],
distributions: [{name, version, licence, requires}], undescribed: [module], sdk: whether the SDK is used,
imports: [{module, insteadOf: [[module]], file, line, column, neededBy}],
errors: [{code, message, hint, file, line, column}], warnings: [{message, file, line, column}]}.
It runs on the target's version of Python, so that what it parses is what the board accepts.
"""

import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from contents import Contents, Layout, is_inside  # noqa: E402
from finder import Finder, Found, Root  # noqa: E402
from graph import Graph  # noqa: E402
from paths import uses  # noqa: E402
from sources import Sources  # noqa: E402


def package_root(folder):
    """The folder that holds the topmost package a folder belongs to; the folder itself when it is no package."""
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder = os.path.dirname(folder)
    return folder


def has_relative_import(tree):
    import ast

    return any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in ast.walk(tree))


def search_path(entry, project, tree, column_of):
    """(root of the entry, its package or None, local roots in order, sys.path edits that leave the base)."""
    folder = os.path.dirname(entry)
    above = package_root(folder)
    relative = tree is not None and has_relative_import(tree)
    if relative and above == folder:
        above = project  # a folder without __init__ is a package too, seen from the project's folder
    package = os.path.relpath(folder, above).replace(os.sep, ".") if relative and folder != above else None
    first = above if package else folder
    base = above if package and not is_inside(above, project) else project
    front, back, outside = [], [], []
    for edit in uses(tree, entry, project, column_of).edits if tree is not None else []:
        if not is_inside(edit.folder, base):
            outside.append(edit)
        elif os.path.isdir(edit.folder):
            (front if edit.front else back).append(edit.folder)
    # Each insert(0, …) goes in front of those before it.
    order = [*reversed(front), first, project, os.path.join(project, "src"), *back]
    if not package and above != folder and is_inside(above, base):
        order.append(above)
    # The project's folders are there for imports of its own modules. A secrets.py of the team does not stand in for
    # Python's, nor does it when the program appends its folder to sys.path, behind the standard library.
    shadowing = {*front, first}
    roots = [Root(path, False, path not in shadowing) for path in dict.fromkeys(order) if os.path.isdir(path)]
    return base, package, roots, outside


def scan(request):
    # The entry's folder is made real, not the entry: a link to a script runs under its own name.
    given = os.path.abspath(request["entry"])
    entry = os.path.join(os.path.realpath(os.path.dirname(given)), os.path.basename(given))
    project = os.path.realpath(request["project"])
    vendor, sdk = os.path.realpath(request["vendor"]), os.path.realpath(request["sdk"])
    if not is_inside(entry, project):
        text = f"the entry {given} is outside the project's folder"
        error = ("RTK_BUNDLE_OUTSIDE", text, "move rtkit.yaml up to a folder that holds them both", entry, None, None)
        return {"errors": [as_error(error)]}
    parsed = Sources([]).parse(entry, library=False, quiet=True)
    base, package, local, outside = search_path(entry, project, *(parsed or (None, None)))
    layout = Layout(base, project, vendor, sdk)
    roots = [*local, *(Root(folder, True) for folder in (vendor, sdk) if os.path.isdir(folder))]

    graph = Graph(Finder(roots), project, os.path.dirname(entry))
    graph.walk(Found("module", entry, (), local[0]), package)
    contents = Contents(layout)
    contents.add_graph(graph)
    for edit in outside:
        text = f"sys.path gets {edit.folder}, outside the project: nothing of it is in the bundle"
        graph.warnings.append((text, entry, edit.line, edit.column))

    stem = os.path.basename(entry).removesuffix(".py")
    return {
        "entry": layout.name(entry, False),
        "name": f"{package}.{stem}" if package else stem,
        "package": package or "",
        "roots": [layout.name(root.folder, root.library) for root in roots],
        "files": [
            {"name": name, "source": path, "sha256": digest(path)} for name, path in sorted(contents.files.items())
        ],  # fmt: skip
        "distributions": [description for _, description in sorted(contents.distributions.items())],
        "undescribed": sorted(contents.undescribed),
        "sdk": any(name.startswith("rt-sdk/") for name in contents.files),
        "imports": [
            {"module": module, "insteadOf": instead_of, "file": file, "line": line, "column": column, "neededBy": by}
            for (module, instead_of), (file, line, column, by) in sorted(graph.imports.items())
            if not instead_of or (module, ()) not in graph.imports
        ],
        "errors": [as_error(error) for error in dict.fromkeys([*graph.errors, *contents.errors])],
        "warnings": [
            {"message": text, "file": file, "line": line, "column": column}
            for text, file, line, column in dict.fromkeys(graph.warnings)
        ],
    }


def as_error(error):
    code, message, hint, file, line, column = error
    return {"code": code, "message": message, "hint": hint, "file": file, "line": line, "column": column}


def digest(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    json.dump(scan(json.load(sys.stdin)), sys.stdout)
