import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoCode } from "../core/errors.ts";
import { distributions, normalizeName } from "./python-modules.ts";

/** The normalised names of the distributions that a requirements.txt asks for; options, URLs and `-r` lines are passed over. */
export function parseRequirements(text: string): string[] {
  return text
    .split("\n")
    .map((line) => /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:$|[[<>=!~;@#(,\s])/.exec(line)?.[1])
    .filter((name) => name !== undefined)
    .map((name) => normalizeName(name));
}

/** Says whether the project's requirements.txt names a distribution of a Python module. Without that file, none. */
export async function requiredModules(projectDir: string): Promise<{ has: (module: string) => boolean }> {
  const text = await readFile(join(projectDir, "requirements.txt"), "utf8").catch((error: unknown) => {
    if (errnoCode(error) === "ENOENT") return "";
    throw error;
  });
  const names = new Set(parseRequirements(text));
  return { has: (module) => distributions(module).some((name) => names.has(name)) };
}
