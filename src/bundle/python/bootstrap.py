"""Starts a bundled node: the search path it would have unbundled, then its entry as the main module."""

# pack.py fills it in: entry, name, package, roots.
PLAN = {}


def start(plan, main):
    """Runs the entry in the namespace of `__main__`, which holds nothing but what Python itself puts there."""
    import os
    import sys
    from importlib.machinery import ModuleSpec
    from zipimport import zipimporter

    archive = os.path.abspath(main["__loader__"].archive)
    sys.path[:1] = [os.path.normpath(os.path.join(archive, root)) for root in plan["roots"]]
    path = os.path.join(archive, plan["entry"])
    loader = zipimporter(os.path.dirname(path))
    if plan["package"]:
        __import__(plan["package"])
    builtins = main["__builtins__"]
    main.clear()
    main.update(
        __name__="__main__",
        __doc__=None,
        __package__=plan["package"],
        __loader__=loader,
        __spec__=ModuleSpec(plan["name"], loader, origin=path),
        __annotations__={},
        __builtins__=builtins,
        __file__=path,
        __cached__=None,
    )
    exec(compile(loader.get_data(path), path, "exec", dont_inherit=True), main)


start(PLAN, globals())
