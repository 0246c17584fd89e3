import { basename } from "node:path";
import { readText, type Layer } from "./layer.ts";

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
    sysctls: parseSysctls(await sysctlText(layers)),
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

/** All sysctl.d files in the order systemd reads them: by name, and one in /etc hides one of its name in /usr/lib. */
async function sysctlText(layers: readonly Layer[]): Promise<string> {
  const files = new Map<string, string>();
  for (const folder of ["usr/lib/sysctl.d", "etc/sysctl.d"]) {
    for (const entry of layers.flatMap(({ entries }) => entries)) {
      const name = basename(entry.path);
      if (entry.path !== `${folder}/${name}` || !name.endsWith(".conf")) continue;
      files.set(name, await readText(entry.content));
    }
  }
  return [...files]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => text)
    .join("\n");
}
