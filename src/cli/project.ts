import type { LoadOptions } from "../config/load.ts";
import type { Warning } from "../config/report.ts";
import type { Context } from "../pipeline/step.ts";
import { formatPlace } from "../ui/error-text.ts";

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
