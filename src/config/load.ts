import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errnoCode, RtkitError, RtkitErrors, throwIfAny, usageError } from "../core/errors.ts";
import { shownPath } from "../core/paths.ts";
import { loadBoard } from "./boards.ts";
import type { SourceDocument } from "./document.ts";
import { gatherFacts } from "./facts.ts";
import { deepFreeze } from "./freeze.ts";
import { valueAt } from "./issues.ts";
import type { Board, Project } from "./model.ts";
import { partialProjectSchema, projectSchema } from "./project-schema.ts";
import type { PartialProjectInput } from "./project-schema.ts";
import { checkShape, readDocument } from "./read.ts";
import { byPlace, findings } from "./report.ts";
import type { Warning } from "./report.ts";
import { resolveProject } from "./resolve.ts";
import { after } from "./rules/after.ts";
import { keysAt, names } from "./rules/names.ts";
import { projectRules } from "./rules/project.ts";
import { salvage } from "./salvage.ts";

/** The project file's name. */
const PROJECT_FILE = "rtkit.yaml";

/** Which project is loaded. */
export interface LoadOptions {
  /** The project's folder, relative to `cwd`; without it the nearest folder upward with an rtkit.yaml. */
  readonly dir?: string;
  /** Where the command was called; messages show paths relative to it. */
  readonly cwd: string;
  /** A board's name or file (relative to `cwd`), in place of the one the project file names. */
  readonly board?: string;
  /** For `~` in paths: its HOME. */
  readonly env?: NodeJS.ProcessEnv;
}

/** A project that was found right, and what was noticed about it. */
export interface LoadedProject {
  readonly project: Project;
  /** Sorted by place. */
  readonly warnings: readonly Warning[];
}

/**
 * Finds, parses and checks the project file and the board it names. The result is frozen.
 * Throws every mistake at once, sorted by place (exit status 2): RTK_CONFIG_NOT_FOUND, RTK_CONFIG_READ, and the others
 * that docs/errors.md lists under config.
 */
export async function loadProject(options: LoadOptions): Promise<LoadedProject> {
  const file = await findProjectFile(options);
  const shown = shownPath(file, options.cwd);
  const errors: RtkitError[] = [];
  const document = await readDocument(file, shown, errors);
  throwIfAny(errors);
  if (document === undefined) throw new Error(`neither a document nor an error: ${file}`);

  const { input, issues } = checkShape(document, projectSchema, errors);
  const rest = input ?? partial(salvage(document.data, issues));
  const dir = dirname(file);
  const board = await boardOf(options, document, dir, errors);
  const facts = await gatherFacts(rest, dir, options.env ?? process.env);
  const report = findings(document);
  names(document.data, report);
  after(rest.nodes ?? {}, keysAt(document.data, ["nodes"]), report);
  const keys = projectRules(rest, facts, board, report);
  errors.push(...report.errors);
  throwIfAny(errors.toSorted(byPlace));
  if (input === undefined || board === undefined) throw new Error(`neither a project nor an error: ${file}`);
  const project = deepFreeze(resolveProject(input, facts, file, board, keys));
  return { project, warnings: report.warnings.toSorted(byPlace) };
}

/** What can be judged of a file with mistakes of shape; nothing when that is not clear. */
function partial(data: unknown): PartialProjectInput {
  const result = partialProjectSchema.safeParse(data);
  return result.success ? result.data : {};
}

async function boardOf(
  options: LoadOptions,
  document: SourceDocument,
  dir: string,
  errors: RtkitError[],
): Promise<Board | undefined> {
  const named = valueAt(document.data, ["board"]);
  const { cwd } = options;
  try {
    if (options.board !== undefined) return await loadBoard(options.board, { dir: cwd, cwd });
    // The shape's check has already told that the key is missing or no text.
    if (typeof named !== "string" || named === "") return undefined;
    return await loadBoard(named, { place: document.place(["board"]), dir, cwd });
  } catch (error) {
    if (error instanceof RtkitErrors) errors.push(...error.errors);
    else if (error instanceof RtkitError) errors.push(error);
    else throw error;
    return undefined;
  }
}

async function findProjectFile({ dir, cwd }: LoadOptions): Promise<string> {
  const start = resolve(cwd, dir ?? ".");
  for (let folder = start; ; folder = dirname(folder)) {
    const file = join(folder, PROJECT_FILE);
    if (await exists(file)) return file;
    if (dir !== undefined || folder === dirname(folder)) break;
  }
  const misnamed = join(start, "rtkit.yml");
  const where = dir === undefined ? `here or in any folder above` : `in ${shownPath(start, cwd)}`;
  throw usageError("RTK_CONFIG_NOT_FOUND", `there is no ${PROJECT_FILE} ${where}`, {
    hint: (await exists(misnamed)) ? `rename rtkit.yml to ${PROJECT_FILE}` : "make a project with: rtkit init DIR",
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    // Anything else (no permission, a loop of links) is told when the file is read.
    return !["ENOENT", "ENOTDIR"].includes(errnoCode(error) ?? "");
  }
}
