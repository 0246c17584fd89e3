import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture } from "../core/architecture.ts";
import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { temporaryPath } from "../pipeline/builds.ts";
import { digestOf } from "../pipeline/digest.ts";
import { explainApt } from "./apt-errors.ts";
import { networkOptions } from "./apt-network.ts";
import { byName, type LockedPackage } from "./lock.ts";
import { parseStanzas } from "./control.ts";
import type { DebianMirror } from "./mirror.ts";

/** Components that images are made of: `non-free-firmware` for the boards' boot and radio firmware. */
export const COMPONENTS = "main non-free-firmware";

/** The keys that sign Debian's archive (package debian-archive-keyring). */
export const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** One state of the archive for one architecture, verified by apt: what there is, and what depends on what. */
export interface AptIndex {
  /** When each suite's Release file was made, ISO 8601. */
  readonly releases: readonly { readonly suite: string; readonly date: string }[];
  /**
   * All packages that installing `wanted` (names or apt-patterns(7)) on an empty system brings, sorted by name.
   * Recommended packages stay out; versions of `keep` are preferred where the archive still has them.
   * Throws RTK_PACKAGE_UNKNOWN, RTK_PACKAGES_CONFLICT.
   */
  readonly resolve: (wanted: readonly string[], keep?: readonly LockedPackage[]) => Promise<LockedPackage[]>;
  /** Removes what is only this run's. */
  readonly close: () => Promise<void>;
}

/** What {@link openIndex} opens. */
export interface IndexOptions {
  readonly suite: string;
  readonly architecture: Architecture;
  readonly mirror: DebianMirror;
  /** The cache's folder: lists are kept there, so that only those that changed come over the network. */
  readonly cacheDir: string;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Fetches package lists with apt, which verifies Debian's signature on each Release file and each list's hash in it.
 * Of the host's own apt only the way to the network is taken over, and nothing changed; needs no rights.
 * Throws RTK_MIRROR_UNREACHABLE, RTK_MIRROR_UNTRUSTED.
 */
export async function openIndex(options: IndexOptions): Promise<AptIndex> {
  const { suite, architecture, mirror, cacheDir, signal } = options;
  const kept = join(
    cacheDir,
    "lists",
    digestOf({ suite, architecture, archive: mirror.archive, suites: mirror.security }),
  );
  const dir = await temporaryPath(cacheDir, "lists");
  const close = async (): Promise<void> => rm(dir, { recursive: true, force: true });
  try {
    await mkdir(dir);
    const env = await makeRoot(dir, options);
    await cp(kept, join(dir, "lists"), { recursive: true, preserveTimestamps: true }).catch(() => undefined);
    await mkdir(join(dir, "lists", "partial"), { recursive: true });
    const lines: string[] = [];
    const onStdoutLine = (line: string): void => {
      lines.push(line);
      options.onLine(line);
    };
    try {
      // A Release file that cannot be fetched or verified is an error, not a warning.
      await exec("apt-get", ["--error-on=any", "update"], { env, signal, onStdoutLine, onStderrLine: onStdoutLine });
    } catch (error) {
      if (error instanceof RtkitError && error.code === "RTK_EXEC_FAILED") throw explainApt(lines, mirror);
      throw error;
    }
    await keepLists(join(dir, "lists"), kept, await temporaryPath(cacheDir, "lists"));
    const releases = await readReleases(join(dir, "lists"));
    return {
      releases,
      resolve: async (wanted, keep = []) => resolve({ dir, env, mirror, signal }, wanted, keep),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * An apt of its own in `dir`: its configuration, nothing installed. Returns the environment that makes apt use it.
 * APT_CONFIG is read before anything else, and moves where the rest is looked for (apt.conf(5)).
 */
async function makeRoot(
  dir: string,
  { suite, architecture, mirror, signal }: IndexOptions,
): Promise<Record<string, string>> {
  for (const folder of ["etc/apt.conf.d", "etc/preferences.d", "cache/archives/partial"])
    await mkdir(join(dir, folder), { recursive: true });
  await writeFile(join(dir, "status"), "");
  await writeFile(join(dir, "sources.list"), aptSources(suite, mirror));
  await writeFile(
    join(dir, "apt.conf"),
    aptConf({
      ...(await networkOptions(signal)),
      Dir: dir,
      "Dir::State": dir,
      "Dir::State::lists": `${join(dir, "lists")}/`,
      "Dir::State::status": join(dir, "status"),
      "Dir::Cache": join(dir, "cache"),
      "Dir::Etc": join(dir, "etc"),
      "Dir::Etc::parts": "/dev/null",
      "Dir::Etc::sourcelist": join(dir, "sources.list"),
      "APT::Architecture": architecture,
      "APT::Architectures": architecture,
      "APT::Install-Recommends": "false",
      // Otherwise apt as root becomes user _apt, who may not read a home folder's cache.
      "APT::Sandbox::User": "root",
      "Acquire::Languages": "none",
      // A snapshot's Release file is as old as it is.
      ...(mirror.dated ? { "Acquire::Check-Valid-Until": "false" } : {}),
    }),
  );
  return aptEnv(join(dir, "apt.conf"));
}

/** The environment for apt's programs with a configuration of ours. */
export function aptEnv(conf: string): Record<string, string> {
  return { APT_CONFIG: conf, LC_ALL: "C.UTF-8" };
}

/**
 * The text of an apt.conf(5). Values stand without quotes, since apt reads escapes (`%20`) only there and nothing between
 * quotes can be a quote (ParseCWord and ParseQuoteWord in apt-pkg/contrib/strutl.cc).
 */
export function aptConf(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} ${value === "" ? '""' : escapeBytes(value)};\n`)
    .join("");
}

function escapeBytes(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => String.fromCodePoint(byte))
    .map((byte) => (/[\w./:+-]/.test(byte) ? byte : `%${(byte.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`))
    .join("")
    .replaceAll("//", "/%2f");
}

/** The sources, one-line style, sources.list(5). */
export function aptSources(suite: string, { archive, security }: DebianMirror): string {
  const options = `[signed-by=${KEYRING}]`;
  return [
    `deb ${options} ${archive} ${suite} ${COMPONENTS}`,
    `deb ${options} ${archive} ${suite}-updates ${COMPONENTS}`,
    `deb ${options} ${security} ${suite}-security ${COMPONENTS}`,
    "",
  ].join("\n");
}

async function keepLists(lists: string, kept: string, copy: string): Promise<void> {
  try {
    await cp(lists, copy, { recursive: true, preserveTimestamps: true });
    await rm(kept, { recursive: true, force: true });
    // Another build may have put its lists there in between; they are as good.
    await rename(copy, kept).catch(() => undefined);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

/** Suite and date of each Release file, by its own words (Debian wiki, DebianRepository/Format). */
async function readReleases(lists: string): Promise<AptIndex["releases"]> {
  const releases = [];
  for (const name of (await readdir(lists)).filter((file) => /_(?:In)?Release$/.test(file))) {
    const text = await readFile(join(lists, name), "utf8");
    const suite = /^Codename: (\S+)$/m.exec(text)?.[1];
    const date = /^Date: (.+)$/m.exec(text)?.[1];
    if (suite === undefined || date === undefined) continue;
    releases.push({ suite, date: new Date(date).toISOString() });
  }
  return releases.toSorted((a, b) => (a.suite < b.suite ? -1 : 1));
}

interface Apt {
  readonly dir: string;
  readonly env: Record<string, string>;
  readonly mirror: DebianMirror;
  readonly signal: AbortSignal;
}

async function resolve(apt: Apt, wanted: readonly string[], keep: readonly LockedPackage[]): Promise<LockedPackage[]> {
  if (wanted.length === 0) return [];
  const { env, signal } = apt;
  const pins = keep.map(({ name, version }) => `Package: ${name}\nPin: version ${version}\nPin-Priority: 1001\n`);
  await writeFile(join(apt.dir, "etc", "preferences"), pins.join("\n"));
  const lines: string[] = [];
  const onStdoutLine = (line: string): void => void lines.push(line);
  const planned = await exec("apt-get", ["install", "--print-uris", "-q", "--yes", "--", ...wanted], {
    env,
    signal,
    // What excludes what stands in standard output, and only that it does in standard error.
    onStdoutLine,
    onStderrLine: onStdoutLine,
  }).catch((error: unknown) => {
    if (error instanceof RtkitError && error.code === "RTK_EXEC_FAILED") throw explainApt(lines, apt.mirror);
    throw error;
  });
  const files = planned.stdout.split("\n").flatMap((line) => {
    const file = parseUriLine(line, apt.mirror);
    return file === undefined ? [] : [file];
  });
  const shown = await exec("apt-cache", ["show", "--", ...files.map(({ name, version }) => `${name}=${version}`)], {
    env,
    signal,
  });
  const stanzas = new Map(parseStanzas(shown.stdout).map((stanza) => [stanza.get("filename"), stanza]));
  return files
    .map(({ name, version, archive, path }) => {
      const stanza = stanzas.get(path);
      const field = (key: string): string => {
        const value = stanza?.get(key);
        if (value === undefined) throw new Error(`apt shows no ${key} of ${name} ${version}`);
        return value;
      };
      return {
        name,
        version,
        architecture: field("architecture"),
        sha256: field("sha256"),
        size: Number(field("size")),
        archive,
        path,
      };
    })
    .toSorted(byName);
}

/**
 * One line of `apt-get --print-uris` (apt-get(8)): `'URI' name_version_arch.deb size hash`, with the URI and the colons
 * of the name percent-encoded.
 */
export function parseUriLine(
  line: string,
  mirror: DebianMirror,
): Pick<LockedPackage, "name" | "version" | "archive" | "path"> | undefined {
  const match = /^'([^']+)' ([^_\s]+)_([^_\s]+)_[^_\s]+\.deb \d+/.exec(line);
  if (match === null) return undefined;
  const [, uri = "", name = "", version = ""] = match;
  // The security archive may be below the other one, or beside it with the same beginning.
  for (const archive of ["security", "archive"] as const) {
    const root = `${mirror[archive]}/`;
    if (uri.startsWith(`${root}pool/`)) {
      return { name, version: decodeURIComponent(version), archive, path: decodeURIComponent(uri.slice(root.length)) };
    }
  }
  return undefined;
}
