import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Architecture } from "../core/architecture.ts";

/**
 * Programs of package dpkg that know their own architecture. It is one string constant in each (ARCHITECTURE in dpkg's
 * config.h, returned by dpkg_arch_get(DPKG_ARCH_NATIVE) in lib/dpkg/arch.c) and decides nothing else of their code.
 */
const PROGRAMS = [
  "usr/bin/dpkg",
  "usr/bin/dpkg-deb",
  "usr/bin/dpkg-divert",
  "usr/bin/dpkg-query",
  "usr/bin/dpkg-split",
  "usr/bin/dpkg-statoverride",
  "usr/bin/dpkg-trigger",
];

/**
 * Makes copies of the tools tree's dpkg that work for the target's architecture at the host's full speed: unpacking is
 * half of what there is to do. A program that does not have the constant exactly once gets no copy, and stays with qemu
 * when the deny list has it.
 */
export async function retargetDpkg(
  toolsTree: string,
  into: string,
  from: Architecture,
  to: Architecture,
): Promise<void> {
  for (const program of PROGRAMS) {
    const binary = await readFile(join(toolsTree, program)).catch(() => undefined);
    const copy = binary === undefined ? undefined : retarget(binary, from, to);
    if (copy === undefined) continue;
    await mkdir(dirname(join(into, program)), { recursive: true });
    await writeFile(join(into, program), copy, { mode: 0o755 });
  }
}

/**
 * The program with the string constant `from` replaced by `to`, which are equally long; undefined when it does not stand
 * there exactly once, with a zero byte before and after it.
 */
export function retarget(binary: Buffer, from: Architecture, to: Architecture): Buffer | undefined {
  const constant = Buffer.from(`\0${from}\0`);
  const first = binary.indexOf(constant);
  if (first < 0 || binary.includes(constant, first + 1)) return undefined;
  const copy = Buffer.from(binary);
  copy.write(to, first + 1, "latin1");
  return copy;
}
