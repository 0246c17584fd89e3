import type { Command } from "commander";
import { loadProject } from "../../config/load.ts";
import type { Target } from "../../config/model.ts";
import { closest } from "../../config/suggest.ts";
import { RtkitError, usageError } from "../../core/errors.ts";
import { formatAddress, parseAddress, type Address } from "../../deploy/address.ts";
import type { SshSettings } from "../../deploy/ssh-command.ts";
import { withConnections, type Board } from "../../deploy/connect-all.ts";
import type { Connection } from "../../deploy/transport.ts";
import { atMost } from "../../pipeline/concurrent.ts";
import type { Context } from "../../pipeline/step.ts";
import { formatError } from "../../ui/error-text.ts";
import { loadOptions, warn } from "../project.ts";
import type { GlobalOptions } from "../session.ts";

/** Options of commands that reach boards, see {@link withBoardOptions}. */
export interface BoardOptions extends GlobalOptions {
  readonly project?: string;
  readonly host?: readonly string[];
  readonly acceptNew?: true;
  readonly sshConfig?: string;
}

/** Boards that are worked on at the same time, when nothing else is asked for: each is a few processes here. */
export const DEFAULT_CONCURRENCY = 10;

/** Adds `--host`, `--accept-new` and `--ssh-config`. */
export function withBoardOptions(command: Command): Command {
  return command
    .option(
      "--host <address>",
      "a board that is no target: [user@]host[:port]; once for each, where several can be meant",
      collect,
    )
    .option("--accept-new", "take the host key of a board that is not in known_hosts yet; a changed one is refused")
    .option("--ssh-config <file>", "ssh's configuration, in place of ~/.ssh/config");
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** How ssh is to behave for a command. */
export function sshSettings({ json, acceptNew, sshConfig }: BoardOptions): SshSettings {
  return { config: sshConfig, acceptNew: acceptNew === true, ask: json !== true && process.stdin.isTTY };
}

/** The boards that a command is for; the project file is read only when they stand there. */
export async function addressesFor(
  context: Context,
  names: readonly string[],
  options: BoardOptions,
): Promise<readonly Address[]> {
  if (names.length === 0 && options.host !== undefined) return chooseBoards([], names, options.host);
  const { project, warnings } = await loadProject(loadOptions(options));
  warn(context, warnings);
  return chooseBoards(project.targets, names, options.host);
}

/**
 * The boards of the named targets and of `--host`, each once; without either those of the only target. Throws
 * RTK_DEPLOY_TARGET and RTK_DEPLOY_HOST.
 */
export function chooseBoards(
  targets: readonly Target[],
  names: readonly string[],
  hosts: readonly string[] = [],
): readonly Address[] {
  const asked = hosts.map(parseAddress);
  const named = names.length === 0 && asked.length === 0 ? [onlyTarget(targets)] : names.map(byName(targets));
  const ofTargets = named.flatMap(({ hosts: all, user, port }) => all.map((host) => ({ host, user, port })));
  const unique = new Map(
    [...ofTargets, ...asked].map((address) => [`${address.user}@${formatAddress(address)}`, address]),
  );
  return [...unique.values()];
}

/** The one board that a command like `rtkit ssh` is for. Throws RTK_DEPLOY_TARGET when there are several. */
export function oneBoard(addresses: readonly Address[]): Address {
  const [address] = addresses;
  if (address !== undefined && addresses.length === 1) return address;
  throw usageError("RTK_DEPLOY_TARGET", `this is for one board, and these are ${addresses.length}`, {
    hint: `say which: ${addresses.map((one) => `--host ${one.user}@${formatAddress(one)}`).join(" or ")}`,
  });
}

function onlyTarget(targets: readonly Target[]): Target {
  const [target] = targets;
  if (target !== undefined && targets.length === 1) return target;
  if (target === undefined) {
    throw usageError("RTK_DEPLOY_TARGET", "the project file has no targets", {
      hint: "add for example targets: { bench: { host: arm.local } }, or say --host robot@arm.local",
    });
  }
  throw usageError("RTK_DEPLOY_TARGET", "the project has several targets", {
    hint: `name those you mean: ${list(targets)}`,
  });
}

function byName(targets: readonly Target[]): (name: string) => Target {
  return (name) => {
    const target = targets.find((one) => one.name === name);
    if (target !== undefined) return target;
    const meant = closest(
      name,
      targets.map((one) => one.name),
    );
    const known = targets.length === 0 ? "the project file has none" : `there are ${list(targets)}`;
    throw usageError("RTK_DEPLOY_TARGET", `there is no target ${name}`, {
      hint: `${meant === undefined ? "" : `did you mean ${meant}? `}${known}; other boards are reached with --host`,
    });
  };
}

function list(targets: readonly Target[]): string {
  return targets.map(({ name }) => name).join(", ");
}

/** What came of the work on one board. */
export type Outcome<T> =
  | { readonly address: Address; readonly value: T }
  | { readonly address: Address; readonly error: RtkitError };

/** Does the same on several boards; one that cannot be reached or fails is no reason to leave the others. */
export async function onBoards<T>(
  context: Context,
  addresses: readonly Address[],
  options: BoardOptions,
  work: (connection: Connection) => Promise<T>,
): Promise<Outcome<T>[]> {
  const limits = { settings: sshSettings(options), concurrency: DEFAULT_CONCURRENCY, signal: context.signal };
  return withConnections(addresses, limits, async (boards) =>
    atMost(DEFAULT_CONCURRENCY, boards, async (board) => outcomeOf(board, work)),
  );
}

/** The outcome for one board. */
export async function outcomeOf<T>(
  { address, visit }: Board,
  work: (connection: Connection) => Promise<T>,
): Promise<Outcome<T>> {
  try {
    return { address, value: await visit(work) };
  } catch (error) {
    if (error instanceof RtkitError) return { address, error };
    throw error;
  }
}

/** A release's id as people see it. */
export function shortId(id: string | null): string {
  return id === null ? "none" : id.slice(0, SHORT);
}

/** Hexadecimal digits that tell the releases of one robot apart. */
const SHORT = 12;

/** A board that failed, for people. */
export function describeFailure(address: Address, error: RtkitError): string {
  return `${formatAddress(address)}  failed: ${formatError(error)}`;
}
