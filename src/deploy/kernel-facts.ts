import { printable } from "../core/printable.ts";
import { formatAddress } from "./address.ts";
import { RtkitError } from "../core/errors.ts";
import { shellQuote } from "../core/exec.ts";
import type { Connection } from "./transport.ts";

/** What a running system says of its kernel. */
export interface RunningKernel {
  /** The text of its configuration. */
  readonly config: string;
  /** Values by name, as they are now. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Words of the kernel command line. */
  readonly cmdline: readonly string[];
  /** Those of the units asked for that did their work. */
  readonly units: readonly string[];
}

/** The most that a configuration may be: Debian's have 300 KB. */
const MAX_CONFIG = 4 << 20;

const CONFIG_MARK = "rtkit:config";

/** Asks a system for its kernel's configuration and what makes up for it. Changes nothing. Throws RTK_KERNEL_CONFIG. */
export async function askKernel(
  connection: Connection,
  wanted: { readonly sysctls: readonly string[]; readonly units: readonly string[] },
): Promise<RunningKernel> {
  const { stdout } = await connection.run(askScript(wanted), { timeoutMs: 60_000 });
  const answer = parseAnswer(printable(stdout));
  if (answer !== undefined && stdout.length < MAX_CONFIG) return answer;
  throw new RtkitError(
    "RTK_KERNEL_CONFIG",
    `${formatAddress(connection.address)} does not say how its kernel is configured`,
    {
      hint: "it has neither /proc/config.gz nor /boot/config-$(uname -r) that its user may read",
    },
  );
}

/** Prints a word for each name, with what `ask`, where it is $n, says of it. */
function askEach(word: string, names: readonly string[], ask: string): string[] {
  if (names.length === 0) return [];
  return [`for n in ${shellQuote([...new Set(names)])}; do printf 'rtkit:${word} %s ' "$n"; ${ask}; done`];
}

function askScript({
  sysctls,
  units,
}: {
  readonly sysctls: readonly string[];
  readonly units: readonly string[];
}): string {
  return [
    "printf 'rtkit:cmdline '; cat /proc/cmdline",
    ...askEach("sysctl", sysctls, 'cat "/proc/sys/$(printf %s "$n" | tr . /)" 2>/dev/null || echo'),
    ...askEach("unit", units, 'systemctl is-active "$n" 2>/dev/null || echo'),
    `echo ${CONFIG_MARK}`,
    'zcat /proc/config.gz 2>/dev/null || cat "/boot/config-$(uname -r)" 2>/dev/null',
    "true",
  ].join("\n");
}

/** What the script printed; undefined when there is no configuration in it. Lines of start-up files are passed over. */
export function parseAnswer(text: string): RunningKernel | undefined {
  const [head = "", config] = text.split(`\n${CONFIG_MARK}\n`);
  if (config === undefined || !/^CONFIG_\w+=/m.test(config)) return undefined;
  const values = (what: string): [string, string][] =>
    [...head.matchAll(new RegExp(`^rtkit:${what} (\\S+) *(.*)$`, "gm"))].map(([, name = "", value = ""]) => [
      name,
      value.trim(),
    ]);
  return {
    config,
    cmdline: /^rtkit:cmdline (.*)$/m.exec(head)?.[1]?.split(/\s+/) ?? [],
    sysctls: Object.fromEntries(values("sysctl").map(([name, value]) => [name, value.replaceAll("\t", " ")])),
    units: values("unit").flatMap(([name, state]) => (state === "active" ? [name] : [])),
  };
}
