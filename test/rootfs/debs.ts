import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exec } from "../../src/core/exec.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import type { LockedPackage } from "../../src/rootfs/lock.ts";
import type { PackageFile } from "../../src/rootfs/repository.ts";
import { lockedPackage } from "./locks.ts";

/** Makes a real package file below `dir`, where the archive would have it, and its entry in a lock. */
export async function makeDeb(dir: string, name: string, changes: Partial<LockedPackage> = {}): Promise<PackageFile> {
  const { version, architecture, path } = lockedPackage(name, { architecture: "all", ...changes });
  const tree = join(dir, `tree-of-${name}`);
  await mkdir(join(tree, "DEBIAN"), { recursive: true });
  await mkdir(join(dir, path, ".."), { recursive: true });
  const control = {
    Package: name,
    Version: version,
    Architecture: architecture,
    Maintainer: "A Tester <tester@example.com>",
    Description: "a package\n .\n for tests",
  };
  const text = Object.entries(control).map(([field, value]) => `${field}: ${value}\n`);
  await writeFile(join(tree, "DEBIAN", "control"), text.join(""));
  const file = join(dir, path);
  await exec("dpkg-deb", ["--root-owner-group", "--build", tree, file]);
  const sha256 = await digestFile(file);
  const locked = lockedPackage(name, {
    ...changes,
    version,
    architecture,
    path,
    sha256,
    size: (await stat(file)).size,
  });
  return { locked, file };
}
