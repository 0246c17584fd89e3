import { Command } from "commander";
import { loadProject } from "../config/load.ts";
import { usageError } from "../core/errors.ts";
import type { FoundBoard } from "../deploy/mdns.ts";
import { userErrors } from "../ui/error-text.ts";
import { table } from "../ui/table.ts";
import { loadOptions } from "./project.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker, type GlobalOptions } from "./session.ts";

/** Options of `rtkit discover`. */
interface DiscoverCommandOptions extends GlobalOptions {
  readonly project?: string;
  readonly timeout: string;
}

/** Boards answer within a second; asked three times in it, for the sake of Wi-Fi. */
const DEFAULT_TIMEOUT_S = "3";

/** A minute: what has not answered by then is not there. */
const LONGEST_S = 60;

/** `rtkit discover` */
export const discoverCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(withProjectOption(new Command("discover")))
    .description("List the boards that announce themselves on the local network (mDNS).")
    .argument("[name...]", "also ask for boards of these host names, such as arm.local")
    .option("--timeout <seconds>", "how long to wait for answers", DEFAULT_TIMEOUT_S)
    .action(async (names: string[], options: DiscoverCommandOptions) => {
      onEnd(
        await runCommand(options, async ({ signal }) => {
          const seconds = listenSeconds(options.timeout);
          const { discover } = await import("../deploy/discover.ts");
          const asked = [...names, ...(await projectNames(options))];
          const boards = await discover({ seconds, names: [...new Set(asked)].filter(isLocalName), signal });
          return { result: { boards }, text: describeBoards(boards) };
        }),
      );
    });

/** Seconds of `--timeout`. Throws RTK_DISCOVER_TIMEOUT_VALUE. */
export function listenSeconds(asked: string): number {
  const seconds = Number(asked);
  if (seconds > 0 && seconds <= LONGEST_S) return seconds;
  throw usageError("RTK_DISCOVER_TIMEOUT_VALUE", `--timeout ${asked} is not a number of seconds up to ${LONGEST_S}`, {
    hint: "say e.g. --timeout 5",
  });
}

/** The names that a project knows boards by: its own, and those of its targets. None where there is no project. */
async function projectNames(options: DiscoverCommandOptions): Promise<string[]> {
  try {
    const { project } = await loadProject(loadOptions(options));
    return [`${project.image.hostname}.local`, ...project.targets.flatMap(({ hosts }) => hosts)];
  } catch (error) {
    // Whoever looks for boards need not have a project, or one without mistakes.
    if (options.project === undefined && userErrors(error).length > 0) return [];
    throw error;
  }
}

/** Names of mDNS (RFC 6762, 3), of labels that host names have. */
function isLocalName(name: string): boolean {
  return name.length < 254 && /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+local$/i.test(name);
}

/** The boards as a table, for people. */
export function describeBoards(boards: readonly FoundBoard[]): string {
  if (boards.length === 0) {
    return [
      "no board answered",
      "  → is it on, and in this network? Wi-Fi for guests and routers keep multicast (mDNS) to themselves, and a firewall",
      "    here has to let UDP port 5353 in; a board of a known address is reached all the same: rtkit status --host ADDRESS",
    ].join("\n");
  }
  const rows = boards.map(({ name, addresses, port, board, version }) => [
    name,
    addresses.join(" "),
    port === null ? "-" : `${port}`,
    board ?? "-",
    version ?? "-",
  ]);
  return table([["NAME", "ADDRESS", "PORT", "BOARD", "RTKIT"], ...rows]).join("\n");
}
