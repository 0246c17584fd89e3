/** Values of a kernel configuration by option, without `CONFIG_`: `y`, `m`, a number, or a string without its quotes. */
export type Kconfig = ReadonlyMap<string, string>;

/**
 * Reads a kernel's `.config` (Documentation/kbuild/kconfig.rst). An option that is off, `# CONFIG_X is not set`, is left
 * out, as is one the file does not name: both mean `n`. Lines that are neither are skipped.
 */
export function parseKconfig(text: string): Kconfig {
  const options = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^CONFIG_(\w+)=(.*)$/.exec(line.trim());
    if (match?.[1] === undefined || match[2] === undefined || match[2] === "n") continue;
    options.set(match[1], unquote(match[2]));
  }
  return options;
}

/**
 * The options that a text names, on or off; undefined of a whole `.config`, which Kconfig heads so and which names all there
 * are. A defconfig (`make savedefconfig`) leaves out what has its default, which only the kernel's source knows.
 */
export function namedOptions(text: string): ReadonlySet<string> | undefined {
  if (text.includes("# Automatically generated")) return undefined;
  return new Set(text.match(/(?<=^(?:# )?CONFIG_)\w+/gm));
}

/** An option's value, `n` for one that is off. */
export function valueOf(config: Kconfig, name: string): string {
  return config.get(name) ?? "n";
}

/** Strings stand in double quotes, with `\` before `"` and `\`. */
export function unquote(value: string): string {
  return value.startsWith('"') && value.endsWith('"') && value.length > 1
    ? value.slice(1, -1).replace(/\\(["\\])/g, "$1")
    : value;
}
