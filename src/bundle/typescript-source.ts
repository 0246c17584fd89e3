/** What {@link adaptSource} and the checks below found at an offset of a source text. */
export interface Finding {
  readonly kind: "worker" | "data-file";
  /** Characters from the start of the text. */
  readonly offset: number;
  /** The code itself, shortened. */
  readonly text: string;
}

const MAIN_GUARD = /require\.main\s*===?\s*module\b|\bmodule\s*===?\s*require\.main\b/g;
const OWN_REQUIRE =
  /\b(?:const|let|var)\s+require\s*=\s*(?:[\w$]+\.)?createRequire\(\s*import\.meta\.(?:url|filename)\s*\)\s*;?/g;

/** What a module compares with its own place to learn whether it is the program; not where something is put there. */
const PROGRAM = /\bprocess\.argv\[1\](?!\s*=(?!=))/g;
const OWN_PLACE = /\bimport\.meta\.(?:url|filename)\b/;

/** True in the program itself, and in every module of esbuild's. Elsewhere than in CommonJS a module is anybody's variable. */
const NO_PARENT = /!\s*module\.parent\b(?!\s*[.?[(])/g;
const COMMON_JS = /\bmodule\.exports\b|(?<![.\w$])exports\.[\w$]/;
const ES_MODULE = /^\s*(?:import|export)\b(?!\s*[(.])/m;

/**
 * Source text as it means the same inside one ESM file: main guards of all kinds are true in the entry and false
 * elsewhere, and a `require` made with createRequire becomes the plain one, which esbuild can follow. Every line and
 * column stays where it was. Returns undefined when nothing changes.
 */
export function adaptSource(source: string, isEntry: boolean): string | undefined {
  const guard = isEntry ? "true" : "false";
  const adapted = adaptGuards(source, isEntry)
    .replace(MAIN_GUARD, (text) => guard.padEnd(text.length))
    .replace(OWN_REQUIRE, (text) => text.replace(/[^\n]/g, " "));
  return adapted === source ? undefined : adapted;
}

/** The same for a file of a dependency, whose `require` is left as it is. */
export function adaptDependency(source: string): string | undefined {
  const adapted = adaptGuards(source, false);
  return adapted === source ? undefined : adapted;
}

/** All modules of a bundle have the place of the one file; `import.meta.main` is undefined before Node.js 24.2. */
function adaptGuards(source: string, isEntry: boolean): string {
  const main = source.replace(/\bimport\.meta\.main\b/g, (text) => (isEntry ? "true" : "false").padEnd(text.length));
  if (isEntry) return main;
  const apart = OWN_PLACE.test(main) ? main.replace(PROGRAM, (text) => '"/dev/null"'.padEnd(text.length)) : main;
  if (!COMMON_JS.test(source) || ES_MODULE.test(source)) return apart;
  return apart.replace(NO_PARENT, (text) => "false".padEnd(text.length));
}

/**
 * Code that depends on files beside it, which a single file does not have: worker threads started from a file, and
 * paths made from the module's own place. Looks at the text without comments; needs no parser.
 */
export function findFileUses(source: string): Finding[] {
  const code = maskComments(source);
  const workers = /new\s+Worker\s*\(\s*(?:new\s+URL\s*\(\s*)?["'`]\.{1,2}\/[^"'`]*["'`]/g;
  const files =
    /new\s+URL\s*\(\s*["'`](?!\w+:)[^"'`]*["'`]\s*,\s*import\.meta\.url|\b(?:join|resolve)\s*\(\s*(?:__dirname|import\.meta\.dirname)\b|(?:__dirname|import\.meta\.dirname)\s*\+|\$\{\s*(?:__dirname|import\.meta\.dirname)\s*\}/g;
  const found: Finding[] = [...code.matchAll(workers)].map((match) => ({
    kind: "worker",
    offset: match.index,
    text: match[0].replace(/\s+/g, " "),
  }));
  const inWorker = (offset: number): boolean =>
    [...code.matchAll(workers)].some(({ index, 0: text }) => offset >= index && offset < index + text.length);
  for (const match of code.matchAll(files)) {
    if (!inWorker(match.index)) {
      found.push({ kind: "data-file", offset: match.index, text: match[0].replace(/\s+/g, " ") });
    }
  }
  return found.toSorted((a, b) => a.offset - b.offset);
}

/** Where `specifier` is imported or required in a source: the offset of its quote, or undefined. */
export function offsetOfSpecifier(source: string, specifier: string): number | undefined {
  const code = maskComments(source);
  const escaped = specifier.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const match = new RegExp(`(?:\\bfrom|\\bimport|\\(|=)\\s*(["'\`])${escaped}\\1`).exec(code);
  return match === null ? undefined : match.index + match[0].length - specifier.length - 2;
}

/** Line and column, from 1, of an offset in a text. */
export function lineAndColumn(source: string, offset: number): { line: number; column: number } {
  const before = source.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1) ?? "").length + 1 };
}

/** The text with every comment replaced by blanks of the same length; strings stay. */
function maskComments(source: string): string {
  const token = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`|\/\/[^\n]*|\/\*[^]*?\*\//g;
  return source.replace(token, (text) => (text.startsWith("/") ? text.replace(/[^\n]/g, " ") : text));
}
