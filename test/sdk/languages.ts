import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { rtkitRoot } from "../../src/core/paths.ts";
import { bundle, nodeCommand, pythonCommand, start, writeProgram } from "./support.ts";
import type { Started } from "./support.ts";

const PROGRAMS = join(rtkitRoot, "test", "sdk", "programs");

/**
 * A node of the conformance suite: its constructor's arguments, and the bodies of its calls (a call without one returns
 * 0; `finalize` says so). A body is in the words that both languages share, `say("ready"); return when(self.n == 5, 3)`,
 * with the functions of programs/prelude; `self.n` counts the steps. Where they share none, it is `either(python, typescript)`.
 */
export interface NodeText {
  readonly base?: "RTNode" | "PeriodicNode";
  /** Those of the constructor, by the names of both languages. Default: a period of 1 ms, not real-time. */
  readonly options?: Readonly<Record<string, string | number | boolean>>;
  /** Statements above the class. */
  readonly above?: string;
  readonly init?: string;
  readonly warmUp?: string;
  readonly run?: string;
  readonly step?: string;
  readonly finalize?: string;
}

/** How a node is started, if not plainly by hand. */
export interface How {
  readonly env?: Readonly<Record<string, string>>;
  /** Words before its command: a launcher, a tracer. */
  readonly before?: readonly string[];
  /** In place of the Node.js of these tests. */
  readonly node?: string;
  /** For the interpreter. */
  readonly flags?: readonly string[];
}

/** One of the two SDKs. */
export interface Language {
  readonly name: "Python" | "TypeScript";
  start(text: NodeText, how?: How): Promise<Started>;
  /** The words that run a node which is called `test`. */
  command(text: NodeText, how?: How): Promise<string[]>;
  either<T>(python: T, typescript: T): T;
}

function language(name: Language["name"], command: Language["command"], either: Language["either"]): Language {
  return {
    name,
    either,
    command,
    start: async (text, how = {}) => start([...(how.before ?? []), ...(await command(text, how))], how.env),
  };
}

/** Both, for `describe.each`. */
export const languages: readonly Language[] = [
  language(
    "Python",
    async (text, { flags = [] } = {}) => {
      const [python = "", file = ""] = pythonCommand(writeProgram("test.py", pythonText(text)));
      return [python, ...flags, file];
    },
    (python) => python,
  ),
  language(
    "TypeScript",
    async (text, { node, flags = [] } = {}) => {
      const file = writeProgram("test.mjs", await typescriptText(text));
      const [program = "", ...words] = nodeCommand(file, node);
      return [program, ...flags, ...words];
    },
    (_, typescript) => typescript,
  ),
];

function pythonLiteral(value: string | number | boolean): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  return JSON.stringify(value);
}

function pythonMethod(name: string, body: string): string {
  return `    def ${name}(self):\n        ${body.replaceAll("\n", "\n        ")}\n`;
}

function pythonText({ base = "PeriodicNode", options = {}, ...node }: NodeText): string {
  const given = Object.entries(constructorOptions(base, options)).map(
    ([key, value]) => `${key}=${pythonLiteral(value)}`,
  );
  return `
import sys
sys.path.insert(1, ${JSON.stringify(PROGRAMS)})
from prelude import *
${node.above ?? ""}
class Test(${base}):
    def __init__(self):
        super().__init__(${given.join(", ")})
        self.n = 0
${pythonMethod("init", node.init ?? "return 0")}${pythonMethod("warm_up", node.warmUp ?? "return 0")}
${base === "RTNode" ? pythonMethod("run", node.run ?? "return 0") : pythonMethod("step", `self.n += 1\n${node.step ?? "return 0"}`)}
${pythonMethod("finalize", node.finalize ?? 'say("finalized")\nreturn 0')}
if __name__ == "__main__":
    Test().main()
`;
}

/** Of the SDK and of prelude.ts. */
const NAMES =
  "RTNode, PeriodicNode, Publisher, Subscriber, say, say_when, write, fail, when, pause, burn, linger, identity_of, make, problem_of";

let sdk: Promise<string> | undefined;

function typescriptMethod(name: string, body: string): string {
  return `  ${name}() { const self = this;\n${body}\n}\n`;
}

async function typescriptText({ base = "PeriodicNode", options = {}, ...node }: NodeText): Promise<string> {
  sdk ??= bundle(join(PROGRAMS, "prelude.ts"));
  return `
import { ${NAMES} } from ${JSON.stringify(pathToFileURL(await sdk).href)};
${node.above ?? ""}
class Test extends ${base} {
  constructor() { super(${JSON.stringify(constructorOptions(base, options))}); this.n = 0; }
${typescriptMethod("init", node.init ?? "return 0")}${typescriptMethod("warmUp", node.warmUp ?? "return 0")}
${base === "RTNode" ? typescriptMethod("run", node.run ?? "return 0") : typescriptMethod("step", `self.n += 1;\n${node.step ?? "return 0"}`)}
${typescriptMethod("finalize", node.finalize ?? 'say("finalized"); return 0')}
}
await new Test().main();
`;
}

function constructorOptions(
  base: NonNullable<NodeText["base"]>,
  options: NonNullable<NodeText["options"]>,
): typeof options {
  return { ...(base === "PeriodicNode" ? { period: 0.001 } : {}), realtime: false, ...options };
}
