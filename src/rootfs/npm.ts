import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";

/** Which npm client is asked, and from where. */
export interface NpmOptions {
  /** The project's folder: its .npmrc counts, besides the user's own with registry, proxy and credentials (npmrc(5)). */
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** One version of an npm package. */
export interface NpmVersion {
  readonly version: string;
  /** The hash of its tarball, in the form of Subresource Integrity; absent when the registry has none. */
  readonly integrity: string | undefined;
}

/** What `npm view` prints of a version. Of one field alone it prints the bare value, and `dist` is there always. */
interface Viewed {
  readonly version: string;
  readonly dist: { readonly integrity?: string };
}

/**
 * The versions of an npm package in a range, in no order; none when the registry has none, or no such package. Throws
 * RTK_NPM_FAILED, and RTK_EXEC_MISSING where npm is not installed.
 */
export async function npmVersions(name: string, range: string, options: NpmOptions): Promise<NpmVersion[]> {
  const spec = `${name}@${range}`;
  const { stdout, code } = await npm(["view", spec, "version", "dist", "--json"], options);
  if (code === "E404") return [];
  if (code !== undefined) throw failed(spec, code);
  // One version alone is not in a list, and older clients print nothing where there is none.
  const found = stdout.trim() === "" ? [] : (JSON.parse(stdout) as Viewed | Viewed[]);
  return [found].flat().map(({ version, dist }) => ({ version, integrity: dist.integrity }));
}

/**
 * Downloads the tarball of one version, byte by byte as the registry has it, into an empty folder, and returns its path;
 * undefined when the client found that it is not what the registry itself says of it. Throws RTK_PACKAGE_GONE,
 * RTK_NPM_FAILED, and RTK_EXEC_MISSING where npm is not installed.
 */
export async function npmTarball(
  name: string,
  version: string,
  folder: string,
  options: NpmOptions,
): Promise<string | undefined> {
  const spec = `${name}@${version}`;
  const { code } = await npm(["pack", spec, "--pack-destination", folder, "--ignore-scripts"], options);
  if (code === "EINTEGRITY") return undefined;
  if (code === "E404" || code === "ETARGET") {
    throw new RtkitError("RTK_PACKAGE_GONE", `npm no longer has ${name} ${version}`, {
      hint: "move the lock with rtkit update",
    });
  }
  if (code !== undefined) throw failed(spec, code);
  const [tarball] = await readdir(folder);
  if (tarball === undefined) throw new Error(`npm pack ${spec} made nothing`);
  return join(folder, tarball);
}

/** What npm printed, and the code of its error, if any. Its other words name the registry, which is nobody's business. */
async function npm(
  args: readonly string[],
  { cwd, signal }: NpmOptions,
): Promise<{ readonly stdout: string; readonly code: string | undefined }> {
  let code: string | undefined;
  const onStderrLine = (line: string): void => {
    // `npm ERR! code E404` before npm 10.
    code ??= /^npm (?:ERR!|error) code (\S+)/.exec(line)?.[1];
  };
  try {
    const { stdout } = await exec("npm", [...args, "--loglevel=error", "--no-update-notifier"], {
      cwd,
      signal,
      onStderrLine,
      installHint: "image.node comes through npm; put it on the PATH, for example with: sudo apt-get install npm",
    });
    return { stdout, code: undefined };
  } catch (error) {
    if (code === undefined || !(error instanceof RtkitError)) throw error;
    return { stdout: "", code };
  }
}

function failed(spec: string, code: string): RtkitError {
  return new RtkitError("RTK_NPM_FAILED", `npm cannot get ${spec} (${code})`, {
    hint: `see why with: npm view ${spec}`,
  });
}
