import { readdir } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { errnoCode, throwIfAny, usageError } from "../core/errors.ts";
import type { Place, RtkitError } from "../core/errors.ts";
import { rtkitRoot, shownPath } from "../core/paths.ts";
import { boardSchema } from "./board-schema.ts";
import type { BoardInput } from "./board-schema.ts";
import { deepFreeze } from "./freeze.ts";
import type { Board } from "./model.ts";
import { checkShape, readDocument } from "./read.ts";
import { byPlace, findings } from "./report.ts";
import { boardRules } from "./rules/board.ts";
import type { BoardParts } from "./rules/board.ts";
import { suggestion } from "./suggest.ts";
import { quote } from "./values.ts";

/** Where a board is looked for, and where it was asked for. */
export interface BoardOptions {
  /** Where the project file names the board; none when the command line does. */
  readonly place?: Place;
  /** The folder that a board file's path is relative to. Default: the working folder. */
  readonly dir?: string;
  /** Messages show paths relative to this folder. Default: the working folder. */
  readonly cwd?: string;
}

/** A board's name is its file's; QEMU's architectures (x86_64) have an underscore. */
const BOARD_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

const boardsDir = join(rtkitRoot, "board-configs");

/**
 * A board by its name (`rpi4`), or by the path of a board file (`./boards/mine.yaml`: with a slash or an ending).
 * Throws RTK_BOARD_UNKNOWN, and all mistakes of the file at once: of form as in a project file, and of what a board
 * must not be (RTK_BOARD_PART, RTK_BOARD_PARTITIONS).
 */
export async function loadBoard(name: string, options: BoardOptions = {}): Promise<Board> {
  const isPath = /[/\\]|\.ya?ml$/.test(name);
  const known = await boardNames();
  if (!isPath && !known.includes(name)) {
    throw usageError("RTK_BOARD_UNKNOWN", `there is no board ${quote(name)}`, {
      hint: suggestion(name, known, "boards"),
      ...(options.place === undefined ? {} : { where: options.place }),
    });
  }
  const file = isPath ? resolve(options.dir ?? process.cwd(), name) : join(boardsDir, `${name}.yaml`);
  const errors: RtkitError[] = [];
  const board = await readBoard(file, options, errors);
  throwIfAny(errors.toSorted(byPlace));
  if (board === undefined) throw new Error(`neither a board nor an error: ${file}`);
  return board;
}

/** All boards rtkit comes with, sorted by name. */
export async function listBoards(): Promise<readonly Board[]> {
  return Promise.all((await boardNames()).map((name) => loadBoard(name)));
}

async function readBoard(file: string, options: BoardOptions, errors: RtkitError[]): Promise<Board | undefined> {
  const where = options.place === undefined ? {} : { where: options.place };
  const name = basename(file, extname(file));
  if (!BOARD_NAME.test(name)) {
    const hint = "name the file in lower-case letters, digits, _ and -";
    errors.push(usageError("RTK_BOARD_UNKNOWN", `${quote(name)} is not a usable name of a board`, { hint, ...where }));
    return undefined;
  }
  const shown = shownPath(file, options.cwd ?? process.cwd());
  const document = await readDocument(file, shown, errors);
  if (document === undefined) {
    // A path that is wrong is the project file's mistake: say where it stands.
    const [error] = errors;
    if (error?.code === "RTK_CONFIG_READ") {
      const hint = `give the path of a board file, or one of the boards: ${(await boardNames()).join(", ")}`;
      errors.splice(
        0,
        1,
        usageError("RTK_BOARD_UNKNOWN", `there is no board file ${quote(shown)}`, { hint, ...where }),
      );
    }
    return undefined;
  }
  const { input } = checkShape(document, boardSchema, errors);
  if (input === undefined) return undefined;
  const report = findings(document);
  boardRules(input, await boardParts(), report);
  errors.push(...report.errors);
  return errors.length > 0 ? undefined : resolveBoard(name, input);
}

function resolveBoard(name: string, input: BoardInput): Board {
  return deepFreeze({
    ...input,
    name,
    firmware:
      input.firmware.family === "direct" ? input.firmware : { ...input.firmware, config: input.firmware.config ?? [] },
    packages: input.packages.toSorted(),
    partitions: input.partitions.map((partition) => ({
      ...partition,
      mount: partition.mount ?? null,
      spare: partition.spare ?? 0,
      grow: partition.grow ?? false,
    })),
  });
}

async function boardNames(): Promise<readonly string[]> {
  return (await namesIn(boardsDir, ".yaml")).toSorted();
}

/** Names of the kernel fragments that rtkit brings, sorted. */
export async function fragmentNames(): Promise<readonly string[]> {
  return namesIn(join(boardsDir, "kernel"), ".config");
}

async function boardParts(): Promise<BoardParts> {
  return {
    fragments: await fragmentNames(),
    overlays: await namesIn(join(rtkitRoot, "overlays"), ""),
  };
}

/** Names of the files with an ending, without it; of the folders when there is no ending. Sorted. */
async function namesIn(folder: string, ending: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => (ending === "" ? entry.isDirectory() : entry.isFile() && entry.name.endsWith(ending)))
      .map((entry) => entry.name.slice(0, entry.name.length - ending.length))
      .toSorted();
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return [];
    throw error;
  }
}
