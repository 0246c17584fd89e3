import { execa } from "execa";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";
import { deviceDir } from "./support.ts";

const SOURCES = join(rtkitRoot, "src", "device");
const PROGRAMS = join(rtkitRoot, "test", "device", "programs");

/** The board's own warnings (src/device/Makefile); with symbols, for what a sanitizer says. */
const FLAGS = ["-std=c11", "-O1", "-g", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wconversion", "-Werror"];

/** What a test program is made with: librtnode.so as the board has it, or the library's sources under sanitizers. */
export const variants = ["librtnode.so", "address,undefined", "thread"] as const;

export type Variant = (typeof variants)[number];

/** The library's sources, from the list in the Makefile. */
function librarySources(): string[] {
  const list = /^LIBRARY = (.*)$/m.exec(readFileSync(join(SOURCES, "Makefile"), "utf8"))?.[1] ?? "";
  return list.split(" ").map((name) => join(SOURCES, `${name}.c`));
}

function variantFlags(variant: Variant): string[] {
  if (variant === "librtnode.so") return [`-L${deviceDir}`, "-lrtnode", `-Wl,-rpath,${deviceDir}`];
  // ThreadSanitizer does not understand fences, and says so.
  const sanitizer = [
    `-fsanitize=${variant}`,
    "-fno-sanitize-recover=all",
    ...(variant === "thread" ? ["-Wno-tsan"] : []),
  ];
  return [...sanitizer, ...librarySources()];
}

/** Compiles C sources, those of test/device/programs/ by their names; `flags` come last. The program's path. */
export async function compile(sources: readonly string[], flags: readonly string[] = []): Promise<string> {
  const program = join(scratchDir("rtnode-c-"), "program");
  const files = sources.map((name) => (name.startsWith("/") ? name : join(PROGRAMS, name)));
  await execa("cc", [...FLAGS, `-I${SOURCES}`, `-I${PROGRAMS}`, "-o", program, ...files, ...flags]);
  return program;
}

/** Compiles a program of test/device/programs/ with the library in one of its variants. */
export function compileWith(
  variant: Variant,
  sources: readonly string[],
  flags: readonly string[] = [],
): Promise<string> {
  return compile(sources, [...flags, ...variantFlags(variant)]);
}

/** The same with a clock that the test moves: with the sources, since the library's own calls go there too. */
export function compileWithFakeClock(sources: readonly string[]): Promise<string> {
  return compileWith("address,undefined", [...sources, "fake-clock.c"], ["-DFAKE_CLOCK"]);
}

/** A source of the library itself, for programs that call what it does not export. */
export function librarySource(name: string): string {
  return join(SOURCES, name);
}
