import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { usageError } from "../core/errors.ts";
import { parseStanzas } from "./control.ts";

/** Debian's own mirror network (https://deb.debian.org/): the last resort, and what an image's own sources name. */
export const DEFAULT_MIRROR: DebianMirror = {
  archive: "http://deb.debian.org/debian",
  security: "http://deb.debian.org/debian-security",
  origin: "Debian's default",
};

/** Where packages come from during a build. Its names must not reach an artifact, a manifest or a log. */
export interface DebianMirror {
  /** URI of the archive, without a slash at its end. */
  readonly archive: string;
  /** URI of the security archive. */
  readonly security: string;
  /** Who chose it, for messages: `--mirror`. */
  readonly origin: string;
  /** True for a snapshot: a state of the archive that no longer moves. */
  readonly dated?: boolean;
}

/**
 * The mirror of a build: `--mirror`, else $RTKIT_DEBIAN_MIRROR, else the host's own (if the host is Debian), else
 * Debian's default. Throws RTK_MIRROR_INVALID.
 */
export async function chooseMirror(
  option: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
  root = "/",
): Promise<DebianMirror> {
  if (option !== undefined) return parseMirror(option, "--mirror");
  const variable = env["RTKIT_DEBIAN_MIRROR"];
  if (variable !== undefined && variable !== "") return parseMirror(variable, "RTKIT_DEBIAN_MIRROR");
  return (await hostMirror(root)) ?? DEFAULT_MIRROR;
}

/** Where Debian keeps every state of its archive; below it are `debian/<time>` and `debian-security/<time>`. */
const SNAPSHOT_ARCHIVE = "https://snapshot.debian.org/archive";

/**
 * The archive as it was at a time (`20261101T000000Z`), from $RTKIT_DEBIAN_SNAPSHOT or snapshot.debian.org, which takes
 * any time and gives the state before it. Throws RTK_MIRROR_INVALID.
 */
export function snapshotMirror(time: string, env: NodeJS.ProcessEnv = process.env): DebianMirror {
  const own = env["RTKIT_DEBIAN_SNAPSHOT"];
  const base = own === undefined || own === "" ? SNAPSHOT_ARCHIVE : own;
  const origin = own === undefined || own === "" ? "Debian's snapshot archive" : "RTKIT_DEBIAN_SNAPSHOT";
  const { archive } = parseMirror(base, origin);
  return { archive: `${archive}/debian/${time}`, security: `${archive}/debian-security/${time}`, origin, dated: true };
}

/**
 * A mirror from the URI of its archive; the security archive is its sibling `debian-security`, as on Debian's own
 * mirrors. `origin` names the option or variable it came from. Throws RTK_MIRROR_INVALID.
 */
export function parseMirror(uri: string, origin: string): DebianMirror {
  const archive = uri.trim().replace(/\/+$/, "");
  if (!/^(https?|file):\/\/[^\s[\]]+$/.test(archive) || !URL.canParse(archive)) {
    throw usageError("RTK_MIRROR_INVALID", `${origin} is not the address of a Debian mirror: ${uri}`, {
      hint: `give an address such as ${DEFAULT_MIRROR.archive}`,
    });
  }
  const parts = archive.split("/");
  // An address without a path (`http://host`) has three parts and no folder to be beside.
  const security = [...(parts.length > 3 ? parts.slice(0, -1) : parts), "debian-security"].join("/");
  return { archive, security, origin };
}

/** One source of packages, from apt's configuration. */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
}

/** The sources of binary packages in a one-line-style file, sources.list(5). Lines that are none are skipped. */
export function parseSourcesList(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+([^#]+)/.exec(line);
    const [suite, ...components] = (match?.[2] ?? "").trim().split(/\s+/);
    if (match?.[1] === undefined || suite === undefined || suite === "") continue;
    sources.push({ uri: match[1], suites: [suite], components });
  }
  return sources;
}

/** The enabled sources of binary packages in a deb822-style file, sources.list(5). */
export function parseDeb822Sources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const fields of parseStanzas(text)) {
    const words = (name: string): string[] => (fields.get(name) ?? "").split(/\s+/).filter((word) => word !== "");
    if (!words("types").includes("deb") || /^(no|false|0|off|without|disable)$/i.test(fields.get("enabled") ?? "yes"))
      continue;
    for (const uri of words("uris")) sources.push({ uri, suites: words("suites"), components: words("components") });
  }
  return sources;
}

/** The mirror that a Debian host uses itself, or undefined when its sources name none. */
export function pickHostMirror(sources: readonly AptSource[]): DebianMirror | undefined {
  const usable = sources.filter(({ uri, components }) => /^https?:\/\//.test(uri) && components.includes("main"));
  const trimmed = (source: AptSource | undefined): string | undefined => source?.uri.replace(/\/+$/, "");
  const isSecurity = ({ uri, suites }: AptSource): boolean =>
    suites.some((suite) => /-security$|\/updates$/.test(suite)) || /security/.test(uri);
  // Other vendors' repositories have a `main` too; Debian's are called debian, and its suites are known by name.
  const isArchive = (source: AptSource): boolean =>
    !isSecurity(source) && /\/debian\/?$/.test(source.uri) && source.suites.some((suite) => DEBIAN_SUITES.test(suite));
  const archive = trimmed(usable.find((source) => isArchive(source)));
  if (archive === undefined) return undefined;
  const security = trimmed(usable.find((source) => isSecurity(source) && /\/debian-security\/?$/.test(source.uri)));
  const origin = "this host's apt sources";
  return { archive, security: security ?? parseMirror(archive, origin).security, origin };
}

/** Text with the mirror's names and addresses replaced, for messages and progress. */
export function redactMirror(text: string, mirror: DebianMirror): string {
  const names = [mirror.security, mirror.archive].flatMap((uri) => {
    const { protocol, host, hostname, pathname } = new URL(uri);
    // apt leaves a user and a password out, copies what a file: mirror has, and names a host also without its port.
    return [uri, `${protocol}//${host}${pathname}`, `copy:${pathname}`, `copy://${pathname}`, host, hostname];
  });
  // At once, longest first: what takes a name's place may hold another one.
  const patterns = [...new Set(names)]
    .filter((name) => name !== "")
    .toSorted((a, b) => b.length - a.length)
    .map((name) => name.replaceAll(/[^\w/]/g, String.raw`\$&`));
  return (
    text
      // What apt adds to the name that it was given: `Could not connect to HOST:80 (192.0.2.1).`, `[IP: 192.0.2.1 80]`.
      .replaceAll(/ ?(?:\[IP: [^\]]*\]|\((?:[\d.]{7,}|[\da-f:]*:[\da-f:.]*)\))/gi, "")
      .replaceAll(new RegExp(`(?<![\\w.-])(?:${patterns.join("|")})(?![\\w-])`, "g"), "the Debian mirror")
  );
}

/** Suites of Debian since 9, and the moving names. */
const DEBIAN_SUITES =
  /^(stretch|buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)(-updates|-backports)?$/;

async function hostMirror(root: string): Promise<DebianMirror | undefined> {
  const release = await readFile(join(root, "etc/os-release"), "utf8").catch(() => "");
  if (!/^ID="?debian"?$/m.test(release)) return undefined;
  const folder = join(root, "etc/apt/sources.list.d");
  const names = (await readdir(folder).catch(() => [])).toSorted();
  const files = [join(root, "etc/apt/sources.list"), ...names.map((name) => join(folder, name))];
  const sources: AptSource[] = [];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (file.endsWith(".list")) sources.push(...parseSourcesList(text));
    else if (file.endsWith(".sources")) sources.push(...parseDeb822Sources(text));
  }
  return pickHostMirror(sources);
}
