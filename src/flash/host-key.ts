import { randomUUID } from "node:crypto";
import { appendFile, copyFile, mkdir, readFile, realpath, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoCode, RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { knownHostsLine } from "../core/known-hosts.ts";
import type { FirstBootSettings } from "./first-boot.ts";

/** How ssh looks a board up among the hosts that it knows. */
export interface KnownAs {
  /** The file it would write to; null when it is told to keep none. */
  readonly file: string | null;
  readonly host: string;
  readonly port: number;
  /** Whether names are to be hashed there. */
  readonly hashed: boolean;
}

/** Names by which a card's board will be reached, `imageHostname` being its name without settings. */
export function boardNames({ hostname, staticAddress }: FirstBootSettings, imageHostname: string): readonly string[] {
  const name = hostname ?? imageHostname;
  return [`${name}.local`, name, ...(staticAddress === undefined ? [] : [staticAddress.address])];
}

/**
 * Puts a board's host key into known_hosts under each of its names, in place of what stood there, as ssh-keygen -R and a
 * first login would: the file before is kept as `.old`. Which file, and by what name and port, is what the user's ssh says.
 * Returns the files that were changed. Throws RTK_FLASH_KNOWN_HOSTS; the card is as good as before then.
 */
export async function rememberHostKey(
  publicKey: string,
  names: readonly string[],
  options: { readonly ssh?: readonly string[]; readonly signal?: AbortSignal } = {},
): Promise<readonly string[]> {
  const run = options.signal === undefined ? {} : { signal: options.signal };
  try {
    const known: KnownAs[] = [];
    for (const name of names) {
      const { stdout } = await exec("ssh", ["-G", ...(options.ssh ?? []), "--", name], run);
      known.push(parseSshSettings(stdout, name));
    }
    const files = [...new Set(known.flatMap(({ file }) => file ?? []))];
    for (const file of files) {
      const here = known.filter((entry) => entry.file === file);
      await replaceEntries(file, here, publicKey, run);
    }
    return files;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof RtkitError) && errnoCode(error) === undefined) throw error;
    const reason = error instanceof Error ? error.message : "";
    const lines = names.map((name) => knownHostsLine(name, 22, publicKey).trimEnd()).join("\n");
    throw new RtkitError("RTK_FLASH_KNOWN_HOSTS", `the board's host key cannot be put into known_hosts: ${reason}`, {
      hint: `the card is good; add by hand, or compare at the first login:\n${lines}`,
      cause: error,
    });
  }
}

/** Reads what `ssh -G` prints of a host: ssh_config(5), one setting per line, its name in lower case. */
export function parseSshSettings(printed: string, name: string): KnownAs {
  const value = (key: string): string | undefined => new RegExp(`^${key} (.+)$`, "m").exec(printed)?.[1];
  const file = value("userknownhostsfile")?.split(" ")[0];
  const alias = value("hostkeyalias");
  return {
    file: file === undefined || file === "none" || file === "/dev/null" ? null : file,
    // With an alias the port does not count.
    host: alias ?? value("hostname") ?? name,
    port: alias === undefined ? Number(value("port") ?? 22) : 22,
    hashed: value("hashknownhosts") === "yes",
  };
}

async function replaceEntries(
  path: string,
  entries: readonly KnownAs[],
  publicKey: string,
  run: { readonly signal?: AbortSignal },
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await realpath(path).catch(() => path);
  const next = `${file}.${randomUUID()}`;
  try {
    const exists = await copyFile(file, next).then(
      () => true,
      (error: unknown) => {
        if (errnoCode(error) === "ENOENT") return false;
        throw error;
      },
    );
    for (const { host, port } of exists ? entries : []) {
      await exec("ssh-keygen", ["-R", port === 22 ? host : `[${host}]:${port}`, "-f", next], run);
    }
    const before = exists ? await readFile(next, "utf8") : "";
    const lines = entries.map(({ host, port }) => knownHostsLine(host, port, `${publicKey} rtkit flash`));
    const joint = before === "" || before.endsWith("\n") ? "" : "\n";
    await appendFile(next, `${joint}${[...new Set(lines)].join("")}`, { mode: 0o600 });
    // Those that are hashed already stay as they are (ssh-keygen(1), -H).
    if (entries.some(({ hashed }) => hashed)) await exec("ssh-keygen", ["-H", "-f", next], run);
    if (exists) await copyFile(file, `${file}.old`);
    await rename(next, file);
  } finally {
    for (const left of [next, `${next}.old`]) await rm(left, { force: true });
  }
}
