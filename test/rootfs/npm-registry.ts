import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { onTestFinished, vi } from "vitest";
import { scratchDir } from "../scratch.ts";
import type { TestEntry } from "./trees.ts";

/** One version of a package in a registry. */
export interface Published {
  readonly name: string;
  readonly version: string;
  readonly tarball: Buffer;
  /** What the registry says of the tarball; its real hash without it, none when null. */
  readonly integrity?: string | null;
}

/** An npm registry on this machine. */
export interface NpmRegistry {
  /** `HOST:PORT`, which must not be told. */
  readonly host: string;
  /** Paths that were asked for. */
  readonly asked: string[];
  /** From now on nobody answers. */
  readonly stop: () => Promise<void>;
}

/** The hash of a tarball in the form that npm has it. */
export function integrityOf(tarball: Buffer): string {
  return `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
}

/** The tarball of a package with these entries. */
export async function tarballOf(entries: readonly TestEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content = "", ...entry } of entries) {
    const headers = { mode: 0o644, mtime: new Date(0), type: "file" as const, ...entry };
    if (headers.type === "file") tar.entry(headers, content);
    else tar.entry(headers);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return gzipSync(Buffer.concat(chunks));
}

/** Serves packages to the host's own npm client until the test ends. The client gets a home and a cache of its own. */
export async function startRegistry(packages: readonly Published[]): Promise<NpmRegistry> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    asked.push(path);
    const tarball = packages.find(({ name, version }) => path === `/${name}/-/${name}-${version}.tgz`);
    const versions = packages.filter(({ name }) => path === `/${name}`);
    if (tarball !== undefined) response.end(tarball.tarball);
    else if (versions.length === 0) response.writeHead(404).end("{}");
    else response.end(JSON.stringify(packument(versions, `http://${request.headers.host}`)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(() => void server.close());
  isolateNpm(`http://${host}/`);
  return { host, asked, stop };
}

/** What a registry says of a package (npm registry API, "getpackage"). */
function packument(versions: readonly Published[], root: string): object {
  const name = versions[0]?.name;
  return {
    name,
    "dist-tags": { latest: versions.at(-1)?.version },
    versions: Object.fromEntries(
      versions.map(({ version, tarball, integrity = integrityOf(tarball) }) => [
        version,
        {
          name,
          version,
          dist: { tarball: `${root}/${name}/-/${name}-${version}.tgz`, ...(integrity === null ? {} : { integrity }) },
        },
      ]),
    ),
  };
}

/** The npm client with this registry, no settings of the machine's or user's, and nothing in its cache. */
function isolateNpm(registry: string): void {
  const home = scratchDir("npm-home-");
  vi.stubEnv("HOME", home);
  vi.stubEnv("npm_config_registry", registry);
  vi.stubEnv("npm_config_cache", join(home, "cache"));
  vi.stubEnv("npm_config_userconfig", join(home, "npmrc"));
  vi.stubEnv("npm_config_globalconfig", join(home, "global"));
  // A registry that does not answer is waited for long enough.
  vi.stubEnv("npm_config_fetch_retries", "0");
  onTestFinished(() => void vi.unstubAllEnvs());
}

/** A folder for PATH with what builds need and a program `npm` that is this shell script, or with none. */
export function pathWithNpm(script?: string): string {
  const folder = scratchDir("path-");
  for (const program of ["setpriv", "flock"]) writeProgram(folder, program, `exec /usr/bin/${program} "$@"`);
  if (script !== undefined) writeProgram(folder, "npm", script);
  return folder;
}

function writeProgram(folder: string, name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}
