import type { Layer } from "./layer.ts";
import { readMatching } from "./overlay.ts";

/** What the files of layers set at run time; the kernel check looks here for what makes up for an option. */
export interface LayerSettings {
  /** Values by name, as sysctl.d files leave them. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Names of units that the layers bring and that a target wants. */
  readonly units: readonly string[];
}

/** Reads the settings of layers. */
export async function layerSettings(layers: readonly Layer[]): Promise<LayerSettings> {
  const paths = layers.flatMap(({ entries }) => entries.map(({ path }) => path));
  const wanted = new Set(
    paths.flatMap((path) => /^(?:etc|usr\/lib)\/systemd\/system\/[^/]+\.wants\/([^/]+)$/.exec(path)?.[1] ?? []),
  );
  const brought = paths.flatMap((path) => /^(?:etc|usr\/lib)\/systemd\/system\/([^/]+\.\w+)$/.exec(path)?.[1] ?? []);
  return {
    sysctls: parseSysctls(await readMatching(layers, /^(?:etc|usr\/lib)\/sysctl\.d\/[^/]+\.conf$/)),
    units: brought.filter((unit) => wanted.has(unit)).toSorted(),
  };
}

/** Values of sysctl.d(5) lines; the last one counts. A `-` before a name only hides errors, and `/` stands for `.`. */
export function parseSysctls(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const [, name, value] = /^\s*-?([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) values[name.replaceAll("/", ".")] = value;
  }
  return values;
}
