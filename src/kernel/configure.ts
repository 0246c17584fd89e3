import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { RtkitError } from "../core/errors.ts";
import { rtkitRoot } from "../core/paths.ts";
import { describeReason, reasonSchema, type Reason } from "./explain.ts";
import { isAsWell, type Severity, type WantedOption } from "./fragment.ts";
import { parseKconfig, valueOf, type Kconfig } from "./kconfig.ts";
import { inKernel, kernelArchitecture, makeKernel, type KernelTree } from "./make.ts";

/** An option that did not become what was asked for. */
export interface Unstuck {
  /** Without `CONFIG_`. */
  readonly name: string;
  /** What was asked for. */
  readonly wanted: string;
  readonly got: string;
  readonly severity: Severity;
  /** True when what came out is accepted all the same. */
  readonly accepted: boolean;
  readonly reason: Reason;
  /** The reason in words. */
  readonly why: string;
  readonly where: WantedOption["where"];
}

/** What Kconfig has of an option in place of what was asked for, and why. */
export interface Kept {
  readonly name: string;
  readonly got: string;
  readonly reason: Reason;
}

/** A configuration that Kconfig made of what was asked for. */
export interface Resolved {
  /** The text of `.config`. */
  readonly config: string;
  /** Every option that was asked for and is otherwise, in the order asked. */
  readonly kept: readonly Kept[];
}

/** The text that Kconfig is asked with: a line for each option. */
export function requestText(options: readonly WantedOption[]): string {
  return options.map((option) => `${requestLine(option)}\n`).join("");
}

/**
 * Makes a kernel's configuration: what no fragment names is off. The same that the kernel's
 * `scripts/kconfig/merge_config.sh -n` makes of the fragments; and then every option asked for is compared with what came
 * out, and Kconfig's own files are asked for the reason.
 */
export async function configure(tree: KernelTree, options: readonly WantedOption[]): Promise<Resolved> {
  const request = join(tree.build, REQUEST);
  await writeFile(request, requestText(options));
  await makeKernel(tree, [`KCONFIG_ALLCONFIG=/build/${REQUEST}`, "allnoconfig"]);
  await rm(request);
  const config = await readFile(join(tree.build, ".config"), "utf8");
  const parsed = parseKconfig(config);
  const differing = options.filter((option) => differs(option, parsed));
  const reasons = await explain(tree, differing);
  const kept = differing.map(({ name }, index): Kept => {
    const reason = reasons[index];
    if (reason === undefined) throw new Error(`no reason for ${name}`);
    return { name, got: valueOf(parsed, name), reason };
  });
  return { config, kept };
}

/** What was asked for, beside what Kconfig has instead. Pure. */
export function unstuckOptions(options: readonly WantedOption[], kept: readonly Kept[]): Unstuck[] {
  const asked = new Map(options.map((option) => [option.name, option]));
  return kept.flatMap(({ name, got, reason }) => {
    const option = asked.get(name);
    if (option === undefined) return [];
    const { wanted, severity, where } = option;
    const [first = "n"] = wanted;
    const why = describeReason(reason, first);
    return [{ name, wanted: first, got, severity, accepted: isAsWell(option, got), reason, why, where }];
  });
}

/** Throws RTK_KERNEL_OPTION when an option that is fatal, or of the project's own fragments, cannot be had. */
export function requireStuck(unstuck: readonly Unstuck[], show: (file: string) => string): void {
  const fatal = unstuck.filter(({ severity, accepted }) => severity === "fatal" && !accepted);
  if (fatal.length === 0) return;
  const lines = fatal.map(
    ({ name, wanted, got, why, where }) =>
      `CONFIG_${name}=${wanted} (${show(where.file)}:${where.line ?? 1}) is ${got}: ${why}`,
  );
  throw new RtkitError("RTK_KERNEL_OPTION", `the kernel cannot be configured as asked:\n${lines.join("\n")}`, {
    hint: "add what is needed to a fragment, or say there that it may be missing: # severity: info",
  });
}

const REQUEST = "rtkit-request.config";
const EXPLAIN = join(rtkitRoot, "src/kernel/explain.py");

function differs(option: WantedOption, config: Kconfig): boolean {
  if (option.when !== undefined && valueOf(config, option.when) === "n") return false;
  return valueOf(config, option.name) !== option.wanted[0];
}

function requestLine({ name, wanted: [value = "n"], isText }: WantedOption): string {
  if (isText) return `CONFIG_${name}="${value.replaceAll(/["\\]/g, "\\$&")}"`;
  return value === "n" ? `# CONFIG_${name} is not set` : `CONFIG_${name}=${value}`;
}

async function explain(tree: KernelTree, options: readonly WantedOption[]): Promise<Reason[]> {
  if (options.length === 0) return [];
  const { arch, folder } = kernelArchitecture(tree.architecture);
  const { prefix } = tree.toolchain;
  const version = async (variable: string): Promise<string> =>
    (await makeKernel(tree, ["--silent", "--no-print-directory", variable])).stdout.trim();
  // What the kernel's Makefile exports to Kconfig.
  const env = {
    srctree: "/src",
    ARCH: arch,
    SRCARCH: folder,
    KERNELVERSION: await version("kernelversion"),
    CC: `${prefix}gcc`,
    LD: `${prefix}ld`,
    NM: `${prefix}nm`,
    OBJCOPY: `${prefix}objcopy`,
    HOSTCC: "gcc",
    PAHOLE: "pahole",
    RUSTC: "rustc",
    BINDGEN: "bindgen",
    CLANG_FLAGS: "",
    CC_VERSION_TEXT: (await inKernel(tree, [`${prefix}gcc`, "--version"])).stdout.split("\n")[0] ?? "",
  };
  const requests = options.map(({ name, wanted }) => ({ name, value: wanted[0] ?? "n" }));
  // The program goes in as an argument: the tree has none of rtkit's files.
  const program = await readFile(EXPLAIN, "utf8");
  const { stdout } = await inKernel(tree, ["python3", "-c", program], {
    env,
    input: JSON.stringify({ config: "/build/.config", requests }),
  });
  return z.array(reasonSchema).parse(JSON.parse(stdout));
}
