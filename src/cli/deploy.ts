import { Command, Option } from "commander";
import { DEFAULT_CONCURRENCY, withBoardOptions } from "./deploy/boards.ts";
import { SIGN_HELP } from "./deploy/signing.ts";
import type { DeployCommandOptions } from "./deploy/deploy-boards.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "./session.ts";

/** Generous for a node that imports much on a slow board. */
const DEFAULT_TIMEOUT_S = "30";

/** `rtkit deploy` */
export const deployCommand: CommandMaker = (onEnd) =>
  withBoardOptions(withGlobalOptions(withProjectOption(new Command("deploy"))))
    .description(
      "Put the project's nodes on running boards over ssh: only what changed is sent and restarted, and a board whose nodes do not become healthy goes back to what it had.",
    )
    .argument("[target...]", "targets of rtkit.yaml (default: the only one)")
    .option("--timeout <seconds>", "how long nodes may take until they are as the project asks", DEFAULT_TIMEOUT_S)
    .option("--concurrency <boards>", "boards at once", `${DEFAULT_CONCURRENCY}`)
    .option("--sign <key>", SIGN_HELP)
    .option("--canary <boards>", "these many first, and the others only when all of them are well", "0")
    .option(
      "--max-failures <boards>",
      "begin no further board when more than these failed (default: half of --concurrency)",
    )
    .addOption(
      new Option(
        "--watch",
        "stay: deploy again on every save and follow the nodes' logs, until Ctrl-C (exit status 130)",
      ).conflicts(["dryRun", "bootstrap", "remove", "canary", "concurrency", "maxFailures"]),
    )
    .option("--skip-checks", "do not run the project's own check (deploy.check) before")
    .option("--dry-run", "only say what would be sent and restarted")
    .addOption(
      new Option(
        "--bootstrap",
        "first make a system with systemd, OpenSSH and sudo a target: Debian, Ubuntu, Raspberry Pi OS",
      ).conflicts(["dryRun", "remove"]),
    )
    .addOption(
      new Option("--remove", "take nodes and all that --bootstrap has put there away again").conflicts("dryRun"),
    )
    .option("--yes", "with --remove: do not ask")
    .action(async (targets: string[], options: DeployCommandOptions & { readonly remove?: true }) => {
      onEnd(
        await runCommand(options, async (context) => {
          if (options.remove === true) {
            const { removeBoards } = await import("./deploy/remove-boards.ts");
            return removeBoards(context, targets, options);
          }
          if (options.watch === true) {
            const { watchAndDeploy } = await import("./deploy/watch.ts");
            return watchAndDeploy(context, targets, options);
          }
          // Imported when needed: esbuild is of no use to other commands.
          const { deployBoards } = await import("./deploy/deploy-boards.ts");
          return deployBoards(context, targets, options);
        }),
      );
    });
