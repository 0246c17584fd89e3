import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import type { LoadOptions } from "../config/load.ts";
import type { Project } from "../config/model.ts";
import type { Warning } from "../config/report.ts";
import { usageError } from "../core/errors.ts";
import { shellQuote } from "../core/exec.ts";
import { rtkitRoot } from "../core/paths.ts";
import { findProgram } from "../core/programs.ts";
import type { Context } from "../pipeline/step.ts";
import { formatPlace } from "../ui/error-text.ts";

/** How this rtkit is called from here: `rtkit` when it is on the path, else where it is. */
export function self(): string {
  if (findProgram("rtkit") !== undefined) return "rtkit";
  const path = join(rtkitRoot, "bin", "rtkit");
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
}

/** A command for a project, as it can be pasted where this one was called. */
export function commandFor(command: "build" | "flash" | "run", { dir, board }: Project): string {
  const where = relative(process.cwd(), dir);
  return shellQuote([self(), command, ...(where === "" ? [] : ["--project", where]), "--board", board.name]);
}

/** The image that the last build made; whether it is there is another question. */
export function imageOf({ dir, name, board }: Project): string {
  return join(dir, "out", board.name, `${name}-${board.name}.img`);
}

/** Like {@link imageOf}. Throws RTK_NOT_BUILT when it is not there; `instead`: what else can be done, for the hint. */
export function builtImage(project: Project, instead: string): string {
  const path = imageOf(project);
  if (existsSync(path)) return path;
  throw usageError("RTK_NOT_BUILT", `${project.name} was not built for ${project.board.name} yet`, {
    hint: `run: ${commandFor("build", project)}; or ${instead}`,
  });
}

/** What commands that read the project file pass to loadProject. */
export function loadOptions(options: { readonly project?: string; readonly board?: string }): LoadOptions {
  return {
    cwd: process.cwd(),
    ...(options.project === undefined ? {} : { dir: options.project }),
    ...(options.board === undefined ? {} : { board: options.board }),
  };
}

/** Shows what was noticed about a project that is right. */
export function warn(context: Context, warnings: readonly Warning[]): void {
  for (const warning of warnings) {
    context.emit({
      type: "warning",
      message: `${formatPlace(warning.where)}: ${warning.message}`,
      hint: warning.hint,
    });
  }
}
