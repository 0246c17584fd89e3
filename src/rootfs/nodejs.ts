import { join } from "node:path";
import type { Architecture } from "../core/architecture.ts";
import { RtkitError, usageError, type Place } from "../core/errors.ts";
import type { Context, Step, StepContext, StepOutput } from "../pipeline/step.ts";
import { downloadOnce } from "./download-once.ts";
import type { Layer, LayerEntry } from "./layer.ts";
import { hasNodejs, nodejsPackage, type BoardLock, type Demand, type LockedNodejs } from "./lock.ts";
import { npmTarball, npmVersions } from "./npm.ts";
import { takeFiles } from "./npm-package.ts";

/** What is taken out of the npm package, and its name in the step's output. */
const FILES = { "bin/node": "node", LICENSE: "LICENSE", "package.json": "package.json" } as const;

/** What Node.js is locked from, and for which project. */
export interface NodejsOptions {
  /** The board's section of the lock before. */
  readonly before: BoardLock | undefined;
  /** Take the newest version also when an older one is locked. */
  readonly move: boolean;
  /** The project file: its folder's .npmrc counts. */
  readonly project: { readonly dir: string; readonly file: string };
}

/**
 * The official build of Node.js that a lock is to have; null when none is asked for. npm is asked only when the lock before
 * has none of the major version, or for the newest. Throws RTK_NODEJS_UNKNOWN, RTK_NODEJS_UNTRUSTED and what
 * {@link npmVersions} throws.
 */
export async function chooseNodejs(
  context: Pick<Context, "signal">,
  demand: Demand,
  { before, move, project }: NodejsOptions,
): Promise<LockedNodejs | null> {
  if (demand.nodejs === null) return null;
  const locked = before !== undefined && hasNodejs(before, demand) ? before.nodejs : null;
  if (locked !== null && !move) return locked;
  const newest = await newestNodejs(context, demand.nodejs, demand.architecture, project);
  // What a version holds never changes: a registry that says so is found out when the package is downloaded.
  return newest.version === locked?.version ? locked : newest;
}

async function newestNodejs(
  { signal }: Pick<Context, "signal">,
  major: string,
  architecture: Architecture,
  { dir, file }: NodejsOptions["project"],
): Promise<LockedNodejs> {
  const name = nodejsPackage(architecture);
  const versions = await npmVersions(name, major, { cwd: dir, signal });
  const [newest] = versions
    .flatMap((each) => {
      const [, minor, patch] = new RegExp(`^${major}\\.(\\d+)\\.(\\d+)$`).exec(each.version) ?? [];
      return minor === undefined ? [] : [{ ...each, order: [Number(minor), Number(patch)] as const }];
    })
    .toSorted((a, b) => b.order[0] - a.order[0] || b.order[1] - a.order[1]);
  if (newest === undefined) {
    throw usageError("RTK_NODEJS_UNKNOWN", `image.node: npm has no Node.js ${major} for ${architecture}`, {
      hint: `see which there are: npm view ${name} versions`,
      where: { file },
    });
  }
  const integrity = /(?<!\S)sha512-[A-Za-z0-9+/]{86}==(?!\S)/.exec(newest.integrity ?? "")?.[0];
  if (integrity === undefined) {
    throw new RtkitError("RTK_NODEJS_UNTRUSTED", `npm says no SHA-512 of ${name} ${newest.version}`, {
      hint: "use a registry that passes on dist.integrity: without it nothing can be locked",
    });
  }
  return { version: newest.version, integrity };
}

/**
 * The step that gets the official build of Node.js: the program `node`, its `LICENSE`, and `package.json`. Throws
 * RTK_NODEJS_UNTRUSTED, RTK_NODEJS_PACKAGE and what {@link npmTarball} throws.
 */
export function nodejsStep(locked: LockedNodejs, architecture: Architecture, projectDir: string): Step {
  return {
    name: "nodejs",
    title: `Node.js ${locked.version}`,
    inputs: { package: nodejsPackage(architecture), integrity: locked.integrity, files: FILES },
    run: async (outDir, step) => {
      const name = `${nodejsPackage(architecture)} ${locked.version}`;
      const tarball = await download(step, locked, architecture, projectDir);
      step.progress("unpacking");
      const missing = await takeFiles(tarball, FILES, outDir).catch((error: unknown) => {
        throw notNodejs(name, "it cannot be unpacked", error);
      });
      if (missing.length > 0) throw notNodejs(name, `it has no file ${missing.join(", ")}`);
    },
  };
}

async function download(
  step: StepContext,
  locked: LockedNodejs,
  architecture: Architecture,
  projectDir: string,
): Promise<string> {
  const name = nodejsPackage(architecture);
  const [tarball = ""] = await downloadOnce(step, {
    items: [locked],
    contentOf: ({ integrity }) => ({ algorithm: "sha512", hash: sha512Of(integrity) }),
    fetch: async (_, folder, keep) => {
      step.progress(`downloading ${name} ${locked.version}`);
      const file = await npmTarball(name, locked.version, folder, { cwd: projectDir, signal: step.signal });
      if (file !== undefined && (await keep(locked, file))) return;
      throw new RtkitError(
        "RTK_NODEJS_UNTRUSTED",
        `what npm sent for ${name} ${locked.version} is not what was locked`,
        {
          hint: "somebody changed it on the way, or the lock: compare rtkit.lock with version control, and try another registry",
        },
      );
    },
  });
  return tarball;
}

/** The SHA-512, in hex, of a lock's integrity. */
export function sha512Of(integrity: string): string {
  return Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex");
}

/** The layer that {@link nodejsStep}'s output becomes, below all overlays: they may replace it as a Debian package's files. */
export function nodejsLayer({ dir, files }: StepOutput, { version }: LockedNodejs, where: Place): Layer {
  const entry = (path: string, name: string, mode: number): LayerEntry => {
    const record = files[name];
    if (record === undefined) throw new Error(`${dir} has no ${name}`);
    const content = { kind: "file" as const, source: join(dir, name), ...record };
    return { path, content, mode, owner: "root", group: "root", where };
  };
  return {
    name: `Node.js ${version}`,
    entries: [
      entry("usr/bin/node", FILES["bin/node"], 0o755),
      // Where Debian's package has its own.
      entry("usr/share/doc/nodejs/copyright", FILES.LICENSE, 0o644),
    ],
    replaces: new Map(),
  };
}

function notNodejs(name: string, what: string, cause?: unknown): RtkitError {
  return new RtkitError("RTK_NODEJS_PACKAGE", `${name} is no package with Node.js: ${what}`, {
    hint: "take another version: rtkit update, or another major in image.node",
    cause,
  });
}
