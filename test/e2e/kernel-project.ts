import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rtkitRoot } from "../../src/core/paths.ts";

/** Boards like those of rtkit, by what tests call them. */
const BOARDS = { pc: "qemu-x86_64", virt: "qemu-arm64" } as const;

/** What of a board and of the example a test changes. */
export interface KernelProject {
  /** Like which board; `pc` by default. */
  readonly board?: keyof typeof BOARDS;
  /** Fragments of the board, in place of its own. */
  readonly boardFragments: readonly string[];
  /** The text of the project's own fragment. */
  readonly fragment: string;
  /** Debian's source package by default. */
  readonly source?: string;
  /** Paths of patches, relative to the project. */
  readonly patches?: readonly string[];
  /** Overlays of the project, relative to it. */
  readonly overlays?: readonly string[];
}

/**
 * A project whose kernel is compiled by every test run: the smallest that boots, without what robots plug in and what a
 * real board has.
 */
export const SMALLER: KernelProject = {
  board: "virt",
  boardFragments: ["base", "systemd", "no-containers", "preempt-rt", "arm64", "virt"],
  fragment: "",
};

/**
 * Makes examples/arm in a folder, for a board whose file is `<board>.yaml` there: its kernel is compiled with the fragments
 * given.
 */
export async function kernelProject(dir: string, options: KernelProject): Promise<void> {
  const { board = "pc", boardFragments, fragment, source = "debian", patches = [], overlays = [] } = options;
  await cp(join(rtkitRoot, "examples/arm/nodes"), join(dir, "nodes"), { recursive: true });
  const file = await readFile(join(rtkitRoot, `board-configs/${BOARDS[board]}.yaml`), "utf8");
  await writeFile(
    join(dir, `${board}.yaml`),
    file.replace(/^ {2}fragments: .*$/m, `  fragments: [${boardFragments.join(", ")}]`),
  );
  const project = await readFile(join(rtkitRoot, "examples/arm/rtkit.yaml"), "utf8");
  const kernel = `kernel: { source: ${source}, fragments: [./own.config], patches: [${patches.join(", ")}] }`;
  const withBoard = project.replace(/^board: .*$/m, `board: ./${board}.yaml`);
  const withOverlays = withBoard.replace(/^image:$/m, `image:\n  overlays: [${overlays.join(", ")}]`);
  await writeFile(join(dir, "rtkit.yaml"), `${withOverlays}\n${kernel}\n`);
  await writeFile(join(dir, "own.config"), fragment);
}

/** A cache of its own in a folder that takes downloads and compilers from another one, and nothing that was compiled. */
export async function coldCache(dir: string, from: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  for (const shelf of ["downloads", "lists", "toolchain"]) {
    await mkdir(join(from, shelf), { recursive: true });
    await symlink(join(from, shelf), join(dir, shelf));
  }
  return dir;
}
