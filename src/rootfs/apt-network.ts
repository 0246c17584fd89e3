import { exec } from "../core/exec.ts";

/**
 * Three more attempts, and those at once: apt 2.6 waits for ever when a file's delayed attempt is all that is left to do.
 */
const RETRIES = { "Acquire::Retries": "3", "Acquire::Retries::Delay": "false" };

/**
 * How our apt reaches servers: as the host's own does (proxies and their auto-detection, certificates, timeouts: all of
 * `Acquire::http` and `Acquire::https`, apt-transport-http(1)), as settings for {@link ./apt.ts aptConf}. None of it says
 * what to trust: that is for Debian's signatures.
 */
export async function networkOptions(signal: AbortSignal): Promise<Record<string, string>> {
  const { stdout } = await exec("apt-config", ["dump"], { signal, env: { LC_ALL: "C.UTF-8" } });
  return { ...networkSettings(stdout), ...RETRIES };
}

/** The settings of `Acquire::http` and `Acquire::https` in the output of `apt-config dump`, in its order. */
export function networkSettings(dump: string): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const line of dump.split("\n")) {
    const [, name, value] = /^(Acquire::https?::[^\s"]*[^\s":]) "([^"]+)";$/i.exec(line) ?? [];
    if (name !== undefined && value !== undefined) settings[name] = value;
  }
  return settings;
}
