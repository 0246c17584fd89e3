import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { RtkitError } from "../core/errors.ts";
import { rtkitRoot } from "../core/paths.ts";
import { formatAddress } from "./address.ts";
import { printable } from "../core/printable.ts";
import type { Connection } from "./transport.ts";

/** What a system says of itself before it becomes a target, see src/device/probe.sh. */
export interface SystemFacts {
  /** The user who logged in. */
  readonly user: string;
  readonly isRoot: boolean;
  /** Debian's name of the programs' architecture, elsewhere uname's. */
  readonly architecture: string;
  /** `Debian GNU/Linux 12 (bookworm)`; empty when it does not say. */
  readonly system: string;
  /** systemd's version; null when it does not run the system. */
  readonly systemd: number | null;
  /** The C library's version, `2.36`; null for another C library. */
  readonly glibc: string | null;
  readonly sudo: "yes" | "password" | "missing";
  /** Programs that are needed and not there. */
  readonly lacks: readonly string[];
  readonly realtime: boolean;
  /** Folders on a file system that cannot be written to. */
  readonly readOnly: readonly string[];
  /** Free KiB of the file system that a folder is on, by folder. */
  readonly free: Readonly<Record<string, number>>;
  /** What `python3 -V` and `node -v` say; null where there is none. */
  readonly python: string | null;
  readonly node: string | null;
  /** `list`: rtkit made it a target; `image`: it has rtkit's programs and no list of them. */
  readonly installed: "list" | "image" | "no";
  /** Users who may deploy already. */
  readonly logins: readonly string[];
}

/** Asks a system what it is. Changes nothing there. Throws RTK_BOOTSTRAP_ANSWER. */
export async function askFacts(connection: Connection): Promise<SystemFacts> {
  const probe = await readFile(join(rtkitRoot, "src", "device", "probe.sh"));
  const { stdout } = await connection.run("sh -s", { stdin: Readable.from([probe], { objectMode: false }) });
  const facts = parseFacts(printable(stdout));
  if (facts !== undefined) return facts;
  throw new RtkitError(
    "RTK_BOOTSTRAP_ANSWER",
    `${formatAddress(connection.address)} does not run a shell script that is sent over ssh`,
    { hint: "its user needs a POSIX shell, and start-up files that print nothing" },
  );
}

/** A user's name as it may stand in sudo's and systemd's files; names with more in them are none of Debian's useradd. */
const LOGIN = /^[A-Za-z_][A-Za-z0-9_-]{0,31}$/;

/** Reads what the probe printed, or undefined when it did not run. Lines of start-up files before it are passed over. */
export function parseFacts(text: string): SystemFacts | undefined {
  const values = (word: string): string[] =>
    [...text.matchAll(new RegExp(`^${word} (.*)$`, "gm"))].map(([, value = ""]) => value.trim()).filter(Boolean);
  const value = (word: string): string | undefined => values(word).at(-1);
  const user = value("user");
  const architecture = value("architecture");
  if (user === undefined || architecture === undefined || !LOGIN.test(user)) return undefined;
  const sudo = value("sudo");
  const installed = value("installed");
  const systemd = Number(value("systemd"));
  return {
    user,
    isRoot: value("uid") === "0",
    architecture: { x86_64: "amd64", aarch64: "arm64" }[architecture] ?? architecture,
    system: value("system") ?? "",
    systemd: systemd > 0 ? systemd : null,
    glibc: value("glibc") ?? null,
    sudo: sudo === "yes" || sudo === "missing" ? sudo : "password",
    lacks: values("lacks"),
    realtime: ["yes", "1"].includes(value("realtime") ?? ""),
    readOnly: values("read-only"),
    free: Object.fromEntries(["/usr", "/opt"].map((folder) => [folder, Number(value(`free${folder}`) ?? Number.NaN)])),
    python: value("python") ?? null,
    node: value("node") ?? null,
    installed: installed === "list" || installed === "image" ? installed : "no",
    logins: values("login").filter((login) => LOGIN.test(login)),
  };
}
