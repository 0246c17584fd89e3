import { relative } from "node:path";
import { Command } from "commander";
import { loadProject } from "../config/load.ts";
import { lockPath } from "../rootfs/lock-file.ts";
import type { PackageMove } from "../rootfs/lock.ts";
import { describeMoves, lockedPackages, type LockChange } from "./build/lock.ts";
import { loadOptions, warn } from "./project.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker, type GlobalOptions } from "./session.ts";

interface UpdateOptions extends GlobalOptions {
  readonly project?: string;
  readonly board?: string;
  readonly mirror?: string;
  readonly dryRun?: true;
}

/** What `rtkit update` did, and prints with `--json`. */
interface UpdateResult {
  readonly board: string;
  /** Path of the lock. */
  readonly lock: string;
  /** What moved in the image, by name; tools that build it do not count. */
  readonly moved: readonly PackageMove[];
  /** True when the lock is another one now. */
  readonly written: boolean;
}

/** `rtkit update` */
export const updateCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(withProjectOption(new Command("update")))
    .description("Move rtkit.lock to the packages that the Debian archive has now, for one board, and say what moved.")
    .option("--board <board>", "update for this board in place of the project file's")
    .option("--mirror <uri>", "Debian mirror (default: $RTKIT_DEBIAN_MIRROR, else this host's own, else Debian's)")
    .option("--dry-run", "only say what would move")
    .action(async (options: UpdateOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          const { project, warnings } = await loadProject(loadOptions(options));
          warn(context, warnings);
          const mode = options.dryRun === true ? "preview" : "update";
          const { moved, lockChange } = await lockedPackages(context, project, { mirror: options.mirror, mode });
          const written = mode === "update" && lockChange !== "none";
          const result: UpdateResult = { board: project.board.name, lock: lockPath(project.dir), moved, written };
          return { result, text: describe(result, lockChange) };
        }),
      );
    });

function describe({ lock, moved, written }: UpdateResult, lockChange: LockChange): string {
  if (lockChange === "none") return "nothing moved";
  const file = relative(process.cwd(), lock);
  const end = written
    ? `${file} was written: build, test, and put it under version control`
    : `${file} was left as it is`;
  if (lockChange === "new") return `${moved.length} packages for the first time\n${end}`;
  if (moved.length === 0) return `nothing moved in the image, only in what builds it\n${end}`;
  return [...describeMoves(moved), "", end].join("\n");
}
