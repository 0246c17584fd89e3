import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { errnoCode, RtkitError, usageError } from "../core/errors.ts";
import { rtkitRoot } from "../core/paths.ts";
import {
  mergeFragments,
  parseFragment,
  type FragmentDefaults,
  type MergedFragments,
  type WantedOption,
} from "./fragment.ts";
import { namedOptions, parseKconfig, type Kconfig } from "./kconfig.ts";

/** The folder of the fragments that rtkit brings. */
export const FRAGMENTS: string = join(rtkitRoot, "board-configs/kernel");

/** What stands before and after the gzipped configuration in a kernel built with IKCONFIG (kernel/configs.c). */
const EMBEDDED = { start: Buffer.from("IKCFG_ST"), end: Buffer.from("IKCFG_ED") };

/** What a line of a project's own fragment is, unless its comments say otherwise: the project asks for it. */
const PROJECT_LINE: FragmentDefaults = { severity: "fatal", reason: "the project asks for it" };

/**
 * What is wanted of a kernel: fragments joined, later ones on top. Each is the name of one that rtkit brings, or the
 * absolute path of the project's own. Throws RTK_FRAGMENT_MISSING and RTK_FRAGMENT_INVALID.
 */
export async function loadFragments(
  fragments: readonly string[],
  folder: string = FRAGMENTS,
): Promise<MergedFragments> {
  const parsed: WantedOption[][] = [];
  for (const name of fragments) {
    const own = isAbsolute(name);
    const file = own ? name : join(folder, `${name}.config`);
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      if (errnoCode(error) === undefined) throw error;
      throw usageError("RTK_FRAGMENT_MISSING", `there is no kernel fragment ${name}`, {
        where: { file },
        hint: "mend kernel.fragments in the board's file, or add the fragment",
        cause: error,
      });
    });
    parsed.push(parseFragment(text, file, own ? PROJECT_LINE : undefined));
  }
  return mergeFragments(parsed);
}

/** A kernel's configuration, and what it names where it is not whole, see namedOptions. */
export interface KernelConfig {
  readonly options: Kconfig;
  readonly named: ReadonlySet<string> | undefined;
}

/**
 * A kernel's configuration from a file: plain text (`/boot/config-…`), gzipped (`/proc/config.gz`), or a kernel image
 * that has it inside. Throws RTK_KERNEL_CONFIG.
 */
export async function readKernelConfig(path: string): Promise<KernelConfig> {
  const bytes = await readFile(path).catch((error: unknown) => {
    if (errnoCode(error) === undefined) throw error;
    throw usageError("RTK_KERNEL_CONFIG", `cannot read ${path}`, { hint: "name a kernel's config", cause: error });
  });
  return decodeKernelConfig(bytes, path);
}

/** The same from its bytes, which `source` had. Throws RTK_KERNEL_CONFIG. */
export function decodeKernelConfig(bytes: Buffer, source: string): KernelConfig {
  const text = decode(bytes, source).toString("utf8");
  const options = parseKconfig(text);
  if (options.size > 0) return { options, named: namedOptions(text) };
  throw noConfig(source);
}

function decode(bytes: Buffer, path: string): Buffer {
  const plain = isGzip(bytes) ? inflate(bytes, path) : bytes;
  const start = plain.indexOf(EMBEDDED.start);
  if (start === -1) return plain;
  const end = plain.indexOf(EMBEDDED.end, start);
  return inflate(plain.subarray(start + EMBEDDED.start.length, end === -1 ? undefined : end), path);
}

function inflate(bytes: Buffer, path: string): Buffer {
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw noConfig(path, error);
  }
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function noConfig(path: string, cause?: unknown): RtkitError {
  return usageError("RTK_KERNEL_CONFIG", `${path} holds no kernel configuration`, {
    hint: "give /boot/config-…, /proc/config.gz, or a kernel built with CONFIG_IKCONFIG",
    cause,
  });
}
