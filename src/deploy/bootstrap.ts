import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { RtkitError } from "../core/errors.ts";
import type { ExecEnd } from "../core/exec.ts";
import { rtkitRoot } from "../core/paths.ts";
import { formatAddress } from "./address.ts";
import { printable } from "../core/printable.ts";
import { imageRefusal, whatIsMissing, type SystemNeeds } from "./system-check.ts";
import { askFacts, type SystemFacts } from "./system-facts.ts";
import type { Connection } from "./transport.ts";

/** A file, folder or link of the target, all of them root's. */
export interface SystemFile {
  /** Absolute, without the slash before: `usr/lib/rtnode/rtnodectl`. */
  readonly path: string;
  readonly mode: number;
  readonly content: { readonly directory: true } | { readonly symlink: string } | { readonly bytes: Buffer };
}

/** What {@link bootstrapBoard} and {@link removeFromBoard} did. */
export interface SystemChange {
  readonly facts: SystemFacts;
  /** What changed, a line each: `put /usr/lib/rtnode/rtnodectl`, `removed user rtnode`. Empty when there was nothing to do. */
  readonly changes: readonly string[];
}

/** Where on the board the files wait until root puts them in their place: mktemp's own name, on a disk. */
const STAGE = "/var/tmp/rtkit-bootstrap.XXXXXXXXXX";
const STAGED = /^\/var\/tmp\/rtkit-bootstrap\.[A-Za-z0-9]{10}$/;

/**
 * Makes a system a target: checks it, sends the files for its users as one tar, and has root put them in their place. Run
 * again it changes what differs, and nothing when nothing does. `ask`: there is a terminal on which sudo may ask for a
 * password. Throws what ./system-check.ts finds, before anything is changed, RTK_BOOTSTRAP_SUDO and RTK_BOOTSTRAP_REFUSED.
 */
export async function bootstrapBoard(
  connection: Connection,
  options: {
    readonly needs: SystemNeeds;
    /** The files of a system to which these users may deploy. */
    readonly filesFor: (logins: readonly string[]) => readonly SystemFile[];
    readonly ask: boolean;
  },
): Promise<SystemChange> {
  const facts = await askFacts(connection);
  const missing = whatIsMissing(connection.address, facts, options.needs);
  if (missing !== undefined) throw missing;
  const logins = [...new Set([...facts.logins, facts.user])].toSorted();
  const files = options.filesFor(logins);
  const changes = await runAsRoot(connection, facts, { words: ["install", ...logins], files, ask: options.ask });
  return { facts, changes };
}

/** Takes away what {@link bootstrapBoard} has put on a board, with the nodes and their releases. */
export async function removeFromBoard(
  connection: Connection,
  options: { readonly ask: boolean },
): Promise<SystemChange> {
  const facts = await askFacts(connection);
  const refusal = imageRefusal(connection.address, facts, "--remove");
  if (refusal !== undefined) throw refusal;
  const changes = await runAsRoot(connection, facts, { words: ["remove"], files: [], ask: options.ask });
  return { facts, changes };
}

/** Sends src/device/bootstrap.sh with files, and runs it there as root. `words` are our own, or checked names. */
async function runAsRoot(
  connection: Connection,
  facts: SystemFacts,
  { words, files, ask }: { words: readonly string[]; files: readonly SystemFile[]; ask: boolean },
): Promise<string[]> {
  const { address } = connection;
  const wantsPassword = !facts.isRoot && facts.sudo !== "yes";
  if (wantsPassword && !ask) {
    throw new RtkitError(
      "RTK_BOOTSTRAP_SUDO",
      `sudo on ${formatAddress(address)} wants a password of ${facts.user}, and there is nobody to ask`,
      { hint: "run it on a terminal, without --json, where sudo can ask for it; or log in as root" },
    );
  }
  const made = await connection.run(`umask 077; mktemp -d ${STAGE}`);
  const stage = made.stdout.trim();
  if (made.status !== 0 || !STAGED.test(stage)) throw refused(connection, made);
  try {
    const tar = await tarOf(files);
    const unpacked = await connection.run(`tar -xpf - -C ${stage}`, { stdin: tar });
    if (unpacked.status !== 0) throw refused(connection, unpacked);
    const script = `${stage}/bootstrap.sh ${words.join(" ")}`;
    const end = wantsPassword
      ? await runOnTerminal(connection, stage, script)
      : await connection.run(`${facts.isRoot ? "" : "sudo -n "}sh ${script}`);
    if (end.status !== 0) throw refused(connection, end);
    return printable(end.stdout)
      .split("\n")
      .filter((line) => line !== "");
  } finally {
    // A broken connection has its own message.
    await connection.run(`rm -rf ${stage}`).catch(() => undefined);
  }
}

/** sudo asks on the terminal, which is why what the script prints goes into files. */
async function runOnTerminal(connection: Connection, stage: string, script: string): Promise<ExecEnd> {
  const status = await connection.onTerminal(
    `umask 077; sudo sh -c 'sh ${script} >${stage}/stdout 2>${stage}/stderr; status=$?; chmod a+r ${stage}/stdout ${stage}/stderr; exit $status'`,
  );
  const { stdout } = await connection.run(`cat ${stage}/stdout 2>/dev/null`);
  const { stdout: stderr } = await connection.run(`cat ${stage}/stderr 2>/dev/null`);
  return { status, stdout, stderr };
}

/** What waits in the stage. */
async function tarOf(files: readonly SystemFile[]): Promise<Readable> {
  const tar = pack();
  tar.entry({ name: "bootstrap.sh", mode: 0o700 }, await readFile(join(rtkitRoot, "src", "device", "bootstrap.sh")));
  for (const { path, mode, content } of files) {
    const name = `files/${path}`;
    if ("directory" in content) tar.entry({ name: `${name}/`, type: "directory", mode });
    else if ("symlink" in content) tar.entry({ name, type: "symlink", linkname: content.symlink, mode });
    else tar.entry({ name, mode }, content.bytes);
  }
  tar.finalize();
  return Readable.from(tar, { objectMode: false });
}

function refused({ address }: Connection, { status, stderr }: ExecEnd): RtkitError {
  const said = printable(stderr).trim().split("\n").slice(-LAST_LINES).join("\n");
  return new RtkitError(
    "RTK_BOOTSTRAP_REFUSED",
    `${formatAddress(address)} refused: ${said === "" ? `exit status ${status ?? "unknown"}` : said}`,
    { hint: "mend that and run it again: it does only what is missing" },
  );
}

/** Lines of a program's messages that are worth showing. */
const LAST_LINES = 5;
