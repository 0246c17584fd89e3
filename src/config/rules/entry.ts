import { extname, isAbsolute, relative } from "node:path";
import type { FileFact } from "../facts.ts";
import type { Runtime } from "../model.ts";
import type { Report } from "../report.ts";
import { quote } from "../values.ts";

/** Runtimes by the entry's ending. Everything else has to be an ELF executable. */
const RUNTIMES: Readonly<Record<string, Runtime>> = {
  ".py": "python",
  ".ts": "typescript",
  ".mts": "typescript",
  ".js": "typescript",
  ".mjs": "typescript",
};

/** Endings that look as if they should work: why they do not, and what does. */
const REFUSED: Readonly<Record<string, { readonly what: string; readonly hint: string }>> = {
  ".cjs": { what: "a CommonJS entry is refused: nodes are ES modules", hint: "use import and name it .mjs" },
  ".cts": { what: "a CommonJS entry is refused: nodes are ES modules", hint: "use import and name it .mts" },
  ".tsx": { what: "JSX is refused: a node has nothing to render", hint: "name it .ts" },
  ".jsx": { what: "JSX is refused: a node has nothing to render", hint: "name it .js" },
  ".pyc": { what: "compiled Python is refused: it fits one interpreter version only", hint: "name the .py file" },
  ".pyz": {
    what: "a Python archive is refused: rtkit makes one itself",
    hint: "name the .py file that starts the node",
  },
  ".sh": {
    what: "a shell script is refused: each of its commands is a process of its own",
    hint: "write the node in Python, TypeScript or a compiled language",
  },
};

const ELF_MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/** The runtime of an entry that {@link entry} finds nothing wrong with. */
export function runtimeOf(path: string): Runtime {
  return RUNTIMES[extname(path)] ?? "native";
}

/** `shown` is the entry as the file has it. RTK_CONFIG_ENTRY (where and whether it is) and RTK_CONFIG_RUNTIME (whether it can be started). */
export function entry(name: string, shown: string, fact: FileFact, dir: string, report: Report): void {
  const path = ["nodes", name, "entry"];
  const inside = relative(dir, fact.path);
  if (inside.startsWith("..") || isAbsolute(inside)) {
    const hint = "move it below the folder of rtkit.yaml, so that the project builds elsewhere too";
    report.error("RTK_CONFIG_ENTRY", path, `${quote(shown)} is outside the project`, hint);
    return;
  }
  if (fact.kind === "missing") {
    report.error("RTK_CONFIG_ENTRY", path, `there is no file ${quote(shown)}`, "paths are relative to rtkit.yaml");
  } else if (fact.kind === "folder") {
    const hint = "name the file that starts the node, for example its main.py";
    report.error("RTK_CONFIG_ENTRY", path, `${quote(shown)} is a folder`, hint);
  } else if (fact.kind !== "file") {
    const what = `${quote(shown)} is ${fact.kind === "special" ? "not a regular file" : "not readable"}`;
    report.error("RTK_CONFIG_ENTRY", path, what, "check what it is, and its permissions");
  } else {
    const refused = refusal(extname(fact.path), fact.head);
    if (refused !== undefined) report.error("RTK_CONFIG_RUNTIME", path, refused.what, refused.hint);
  }
}

function refusal(ending: string, head: Buffer): { readonly what: string; readonly hint: string } | undefined {
  if (RUNTIMES[ending] !== undefined) return undefined;
  if (REFUSED[ending] !== undefined) return REFUSED[ending];
  if (head.subarray(0, ELF_MAGIC.length).equals(ELF_MAGIC)) return undefined;
  const known = `use ${Object.keys(RUNTIMES).join(", ")}, or an ELF executable for the board`;
  if (head.subarray(0, 2).toString("latin1") !== "#!")
    return { what: "no runtime for such a file is known", hint: known };
  const interpreter =
    /^#!.*?([\w.+-]+)\s*$/.exec(head.subarray(0, 256).toString("latin1").split("\n")[0] ?? "")?.[1] ?? "";
  if (/^(ba|da|k|z)?sh$/.test(interpreter)) return REFUSED[".sh"];
  return { what: "a script is told by its ending, not by its first line", hint: known };
}
