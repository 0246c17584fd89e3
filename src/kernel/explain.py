"""Says why options did not become what was asked for, in the terms of the kernel's own Kconfig files.

Reads {"config": FILE, "requests": [{"name", "value"}]} from standard input, in the environment that the kernel's makefiles
give to Kconfig, and prints a JSON list with one reason for each request. FILE is a complete configuration of that kernel;
the values in it decide. Kconfiglib (Debian: python3-kconfiglib) reads the Kconfig files. What the reasons mean, and their
words for people, is in explain.ts.
"""

import difflib
import glob
import json
import os
import re
import sys

from kconfiglib import AND, BOOL, EQUAL, OR, TRI_TO_STR, TRISTATE, Choice, Kconfig, Symbol, expr_str, expr_value, split_expr

PLURAL_LIMIT = 4
LEVELS = {"n": 0, "m": 1, "y": 2}


def main():
    request = json.load(sys.stdin)
    kconf = Kconfig("Kconfig", warn=False, warn_to_stderr=False)
    kconf.load_config(request["config"])
    json.dump([explain(kconf, item["name"], item["value"]) for item in request["requests"]], sys.stdout)


def explain(kconf, name, value):
    symbol = kconf.syms.get(name)
    if symbol is None or not symbol.nodes:
        foreign = architectures_with(kconf, name)
        return {"kind": "foreign", "architectures": foreign} if foreign else {"kind": "unknown", "near": near(kconf, name)}
    node = symbol.nodes[0]
    where = {"file": node.filename, "line": node.linenr}
    if symbol.orig_type not in (BOOL, TRISTATE):
        return {**why_not_text(symbol, value), "where": where}
    if value not in LEVELS:
        return {"kind": "type", "type": type_name(symbol), "where": where}
    return {**why_not_level(symbol, LEVELS[value]), "where": where}


def why_not_level(symbol, wanted):
    got = symbol.tri_value
    if wanted < got:
        selectors = selecting(symbol, wanted)
        if selectors:
            return {"kind": "selected", "by": selectors}
        if symbol.choice is not None and symbol.choice.selection is symbol:
            return {"kind": "chosen", "choice": choice_name(symbol.choice)}
        return no_prompt(symbol) or bool_only(symbol, wanted) or {"kind": "other"}
    # What cannot be had loses its choice too.
    unmet = unmet_of(symbol, wanted)
    if unmet:
        return {"kind": "depends", "unmet": unmet}
    if symbol.choice is not None:
        winner = symbol.choice.selection
        if winner is not None and winner is not symbol:
            return {"kind": "choice", "choice": choice_name(symbol.choice), "won": winner.name}
    return no_prompt(symbol) or bool_only(symbol, wanted) or {"kind": "other"}


def unmet_of(symbol, wanted):
    """What keeps every prompt of the option, or the option itself, below the wanted level; the shortest list of them."""
    wanted = max(wanted, 1) if symbol.orig_type is TRISTATE else 1
    lists = [unmet(node.prompt[1], wanted) for node in symbol.nodes if node.prompt is not None]
    if not lists:
        lists = [unmet(symbol.direct_dep, wanted)]
    return min(lists, key=len)


def unmet(expr, wanted):
    """The operands of a conjunction that are below `wanted`, each with its value. Conditions in the form they stand in."""
    found = []
    for operand in split_expr(expr, AND):
        if expr_value(operand) < wanted:
            parts = split_expr(operand, OR)
            leaves = [leaf(part) for part in parts[:PLURAL_LIMIT]]
            more = len(parts) - len(leaves)
            text = " or ".join(item["text"] for item in leaves) + (f" or {more} more" if more > 0 else "")
            names = sorted({one["name"]: one for item in leaves for one in item["values"]}.values(), key=lambda one: one["name"])
            found.append({"condition": text, "values": names})
    return found


def leaf(expr):
    text = expr_str(expr)
    return {"text": text if isinstance(expr, Symbol) or "&&" not in text else f"({text})", "values": [value_of(item) for item in symbols_of(expr)]}


def symbols_of(expr):
    if isinstance(expr, Symbol):
        return [] if expr.is_constant else [expr]
    if isinstance(expr, Choice):
        return []
    return [symbol for part in expr[1:] for symbol in symbols_of(part)]


def value_of(symbol):
    if not symbol.nodes:
        return {"name": symbol.name, "value": None}
    return {"name": symbol.name, "value": symbol.str_value}


def selecting(symbol, above):
    """Names of the options that select this one to more than `above`, with what they are."""
    names = []
    for part in split_expr(symbol.rev_dep, OR):
        if expr_value(part) > above:
            selector = split_expr(part, AND)[0]
            names.append({"name": expr_str(selector), "value": TRI_TO_STR[expr_value(part)]})
    return names


def no_prompt(symbol):
    if any(node.prompt is not None for node in symbol.nodes):
        return None
    by = [expr_str(split_expr(part, AND)[0]) for part in split_expr(symbol.rev_dep, OR)]
    return {"kind": "noPrompt", "selectors": [name for name in by if name not in ("n", "y")][:PLURAL_LIMIT]}


def bool_only(symbol, wanted):
    return {"kind": "type", "type": "bool"} if wanted == 1 and symbol.type is BOOL else None


def why_not_text(symbol, value):
    unmet = unmet_of(symbol, 2)
    if unmet:
        return {"kind": "depends", "unmet": unmet}
    for low, high, condition in symbol.ranges:
        if expr_value(condition):
            return {"kind": "range", "low": low.str_value, "high": high.str_value}
    return no_prompt(symbol) or {"kind": "type", "type": type_name(symbol)}


def type_name(symbol):
    from kconfiglib import TYPE_TO_STR

    return TYPE_TO_STR[symbol.orig_type]


def choice_name(choice):
    return next((node.prompt[0] for node in choice.nodes if node.prompt is not None), choice.name or "a choice")


def architectures_with(kconf, name):
    """Folders below arch/ whose Kconfig files, which another architecture does not read, have the option."""
    definition = re.compile(rf"^\s*(menu)?config {re.escape(name)}$", re.MULTILINE)
    found = set()
    for file in glob.glob(os.path.join(kconf.srctree, "arch/*/**/Kconfig*"), recursive=True):
        with open(file, encoding="utf-8", errors="replace") as text:
            if definition.search(text.read()):
                found.add(os.path.relpath(file, kconf.srctree).split(os.sep)[1])
    return sorted(found)


def near(kconf, name):
    names = [symbol.name for symbol in kconf.unique_defined_syms]
    return difflib.get_close_matches(name, names, 3, 0.8)


main()
