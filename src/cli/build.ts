import { relative } from "node:path";
import { Command } from "commander";
import { loadProject } from "../config/load.ts";
import type { Project } from "../config/model.ts";
import { shellQuote } from "../core/exec.ts";
import { formatSize } from "../core/units.ts";
import { renderKernelTable, summarizeKernel } from "../kernel/table.ts";
import type { BuildResult } from "./build/build-image.ts";
import { describeMoves } from "./build/lock.ts";
import { commandFor, loadOptions, self, warn } from "./project.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker, type GlobalOptions } from "./session.ts";

interface BuildOptions extends GlobalOptions {
  readonly project?: string;
  readonly board?: string;
  readonly mirror?: string;
  readonly locked?: true;
  readonly emulate?: true;
}

/** `rtkit build` */
export const buildCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(withProjectOption(new Command("build")))
    .description("Build the board's image out of the project's nodes, into out/<board>/.")
    .option("--board <board>", "build for this board in place of the project file's")
    .option("--mirror <uri>", "Debian mirror (default: $RTKIT_DEBIAN_MIRROR, else this host's own, else Debian's)")
    .option("--locked", "fail when rtkit.lock is not what the project asks for, in place of mending it")
    .option("--emulate", "run the packages' own programs in an emulator, not as native twins (slow; for comparison)")
    .action(async (options: BuildOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          const { project, warnings } = await loadProject(loadOptions(options));
          warn(context, warnings);
          // Imported when needed: esbuild and the image's formats are of no use to other commands.
          const { buildImage } = await import("./build/build-image.ts");
          const { withCaches } = await import("./build/caches.ts");
          const built = await withCaches(context, project, async (inner) =>
            buildImage(inner, project, {
              mirror: options.mirror,
              locked: options.locked === true,
              emulate: options.emulate === true,
            }),
          );
          return { result: built, text: describe(built, project) };
        }),
      );
    });

function describe(built: BuildResult, project: Project): string {
  const { image, release, kernel } = built;
  const path = shellQuote([relative(process.cwd(), image.path)]);
  const card = project.board.firmware.family !== "direct";
  const next = [
    ["boot these bytes in QEMU", commandFor("run", project)],
    ["see what is in it", `${self()} inspect ${path}`],
    ...(card ? [["write it to a card, which is asked for", commandFor("flash", project)]] : []),
  ];
  return [
    ...(built.cached ? [] : [renderKernelTable(kernel), ""]),
    `kernel    ${summarizeKernel(kernel)}`,
    `release   ${release.id.slice(0, 12)}`,
    ...describeLock(built),
    `image     ${path} (${formatSize(image.size)})`,
    "",
    "next:",
    ...next.flatMap(([what, command]) => [`  # ${what}`, `  ${command}`]),
  ].join("\n");
}

/** What is to be said of the lock: nothing when it was taken as it is. */
function describeLock({ lockChange, moved }: BuildResult): string[] {
  switch (lockChange) {
    case "none":
      return [];
    case "new":
      return [`lock      ${moved.length} packages for the first time; put rtkit.lock under version control`];
    case "changed": {
      const what = moved.length === 0 ? "the image's packages are the same" : "these packages moved:";
      return [`lock      rtkit.lock was mended, ${what}`, ...describeMoves(moved, MOST_MOVES)];
    }
  }
}

/** More lines than this would hide what the build has to say else. */
const MOST_MOVES = 10;
