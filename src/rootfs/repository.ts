import { link, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Architecture } from "../core/architecture.ts";
import { exec } from "../core/exec.ts";
import { sha256 } from "../pipeline/digest.ts";
import type { LockedPackage } from "./lock.ts";

/** A package and the downloaded file of it, whose content was checked. */
export interface PackageFile {
  readonly locked: LockedPackage;
  readonly file: string;
}

/** Prints the control file of each package file (deb-control(5)), with an empty line after it. */
const CONTROL_SCRIPT = 'for deb; do dpkg-deb --field "$deb" || exit; echo; done';

/**
 * Makes a Debian archive in `dir` that holds these packages and no others, so that apt can choose nothing else, and
 * returns its line for sources.list(5). The package files must be whole: apt verified the lists their sha256 comes from,
 * the downloads were checked against those, and nothing in between is signed, so the line says `trusted`.
 */
export async function makeRepository(
  dir: string,
  options: {
    readonly suite: string;
    readonly architecture: Architecture;
    readonly packages: readonly PackageFile[];
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const { suite, architecture, packages, signal } = options;
  const lists = `main/binary-${architecture}/Packages`;
  await mkdir(join(dir, "pool"), { recursive: true });
  for (const { locked, file } of packages) await link(file, join(dir, poolPath(locked)));
  const { stdout } = await exec("sh", ["-c", CONTROL_SCRIPT, "sh", ...packages.map(({ file }) => file)], { signal });
  const controls = stdout.split("\n\n").filter((control) => control.trim() !== "");
  if (controls.length !== packages.length) throw new Error("dpkg-deb read another number of packages");
  const text = packages
    .map(({ locked }, index) => {
      const control = controls[index]?.trim() ?? "";
      return `${control}\nFilename: ${poolPath(locked)}\nSize: ${locked.size}\nSHA256: ${locked.sha256}\n`;
    })
    .join("\n");
  const write = async (path: string, content: string): Promise<void> => {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  };
  await write(`dists/${suite}/${lists}`, text);
  await write(
    `dists/${suite}/Release`,
    [
      `Suite: ${suite}`,
      `Codename: ${suite}`,
      `Architectures: ${architecture}`,
      "Components: main",
      "SHA256:",
      ` ${sha256(text)} ${Buffer.byteLength(text)} ${lists}`,
      "",
    ].join("\n"),
  );
  // apt undoes escapes twice: where it reads sources, and where it opens the file.
  const uri = dir.split("/").map((part) => encodeURIComponent(encodeURIComponent(part)));
  return `deb [trusted=yes] copy:${uri.join("/")} ${suite} main\n`;
}

function poolPath({ name, version, architecture }: LockedPackage): string {
  return `pool/${name}_${version.replaceAll(":", "%3a")}_${architecture}.deb`;
}
