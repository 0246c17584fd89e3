import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { Command } from "commander";
import { errnoCode, RtkitError, usageError } from "../core/errors.ts";
import { rtkitRoot } from "../core/paths.ts";
import { shellQuote } from "../core/exec.ts";
import { self } from "./project.ts";
import { runCommand, withGlobalOptions, type CommandMaker, type GlobalOptions } from "./session.ts";

/** The template: a project as it will be, but for its name, and for .gitignore, which npm would leave out of a package. */
const TEMPLATE = join(rtkitRoot, "src", "cli", "init-template");
const TEMPLATE_NAME = "my-robot";

/** `rtkit init` */
export const initCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(new Command("init"))
    .description("Write a project that builds: rtkit.yaml and two nodes.")
    .argument("<dir>", "the project's folder; new or empty")
    .action(async (dir: string, options: GlobalOptions) => {
      onEnd(
        await runCommand(options, async () => {
          const files = await initProject(dir);
          const lines = [
            ...files.map((file) => `  ${file}`),
            "",
            `next: ${shellQuote([self(), "build", "--project", dir])}`,
          ];
          return { result: { dir: resolve(dir), files }, text: [`wrote ${dir}:`, ...lines].join("\n") };
        }),
      );
    });

/**
 * Writes a new project that builds into `dir`, which must not exist or be empty. The project is named after the folder.
 * Returns the files, relative to `dir`, sorted. Nothing is left behind when it fails.
 * Throws RTK_INIT_NOT_EMPTY (exit status 2) and RTK_INIT_WRITE.
 */
export async function initProject(dir: string): Promise<string[]> {
  const target = resolve(dir);
  try {
    return await create(target);
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined || error instanceof RtkitError) throw error;
    throw new RtkitError("RTK_INIT_WRITE", `cannot write a project to ${target} (${code})`, {
      hint: "choose a folder that you may write to",
      cause: error,
    });
  }
}

/** A host label out of a folder's name: `My Robot_2` becomes `my-robot-2`. */
export function projectName(folder: string): string {
  const label = folder
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, "");
  return label === "" || label === "localhost" ? TEMPLATE_NAME : label;
}

async function create(target: string): Promise<string[]> {
  const exists = await isEmptyFolder(target);
  // Renaming is all that is left to do at the end. A folder that is there may be a mount point or a link to another disk, and
  // its parent somebody else's: inside it is where we may write and rename.
  if (!exists) await mkdir(dirname(target), { recursive: true });
  const scratch = await mkdtemp(exists ? join(target, ".init-") : join(dirname(target), `.${basename(target)}.`));
  try {
    const project = join(scratch, "project");
    const files = await copyTemplate(project, projectName(basename(target)));
    // For editors, and for `node nodes/logger.ts` by hand; builds bring the SDK themselves.
    await mkdir(join(project, "node_modules"));
    await symlink(join(rtkitRoot, "src", "sdk", "typescript"), join(project, "node_modules", "rtnode"));
    if (exists) {
      // The folder itself may be somebody's working folder: it stays, and its content comes in.
      await moveContent(project, target);
    } else {
      await rename(project, target);
    }
    return files;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Renames all that is in one folder into another; takes back what came in when it cannot. */
async function moveContent(from: string, to: string): Promise<void> {
  const moved: string[] = [];
  try {
    for (const entry of await readdir(from)) {
      await rename(join(from, entry), join(to, entry));
      moved.push(join(to, entry));
    }
  } catch (error) {
    for (const path of moved) await rm(path, { recursive: true, force: true });
    throw error;
  }
}

/** True for an empty folder, false for nothing; throws RTK_INIT_NOT_EMPTY for everything else. */
async function isEmptyFolder(target: string): Promise<boolean> {
  const hint = "choose a new folder, or an empty one";
  try {
    if (!(await stat(target)).isDirectory()) {
      throw usageError("RTK_INIT_NOT_EMPTY", `${target} is not a folder`, { hint });
    }
    if ((await readdir(target)).length > 0) {
      throw usageError("RTK_INIT_NOT_EMPTY", `${target} is not empty`, { hint });
    }
    return true;
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return false;
    throw error;
  }
}

async function copyTemplate(to: string, name: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(TEMPLATE, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const path = relative(TEMPLATE, source).replace(/^gitignore$/, ".gitignore");
    await mkdir(dirname(join(to, path)), { recursive: true });
    await writeFile(join(to, path), (await readFile(source, "utf8")).replaceAll(TEMPLATE_NAME, name));
    files.push(path);
  }
  return files.toSorted();
}
