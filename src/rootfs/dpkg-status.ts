/** One installed package, an element of `packages.json`. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Name of the source package, when it is another. */
  readonly source?: string;
  /** Version of the source package, when it is another. */
  readonly sourceVersion?: string;
  /** Names of installed packages that satisfy Depends and Pre-Depends, sorted. */
  readonly depends: readonly string[];
  /** What its machine-readable copyright file names, see copyright.ts; absent when that cannot be read. */
  readonly licences?: readonly string[];
  /** Of the .deb that it was installed from, where that is known. */
  readonly sha256?: string;
}

/** Packages that dpkg's status file says are installed, sorted by name (deb822, dpkg(1)). */
export function parseStatus(text: string): InstalledPackage[] {
  const stanzas = text
    .split("\n\n")
    .map((stanza) => parseFields(stanza))
    .filter((fields) => fields.get("Status") === "install ok installed");
  const names = new Set(stanzas.map((fields) => fields.get("Package")).filter((name) => name !== undefined));
  const providers = providersOf(stanzas);
  const packages: InstalledPackage[] = [];
  for (const fields of stanzas) {
    const name = fields.get("Package");
    const version = fields.get("Version");
    const architecture = fields.get("Architecture");
    if (name === undefined || version === undefined || architecture === undefined) continue;
    // `Source: glibc (2.41-12)`: the version stands there when it differs.
    const [, source, sourceVersion] = /^(\S+)(?:\s+\((\S+)\))?/.exec(fields.get("Source") ?? "") ?? [];
    const wanted = [fields.get("Pre-Depends"), fields.get("Depends")].filter((list) => list !== undefined).join(", ");
    packages.push({
      name,
      version,
      architecture,
      ...(source === undefined || source === name ? {} : { source }),
      ...(sourceVersion === undefined || sourceVersion === version ? {} : { sourceVersion }),
      depends: satisfiers(wanted, names, providers).filter((other) => other !== name),
    });
  }
  return packages.toSorted((a, b) => compareText(a.name, b.name));
}

/** The fields of one deb822 stanza; lines that continue a field are joined with spaces. */
function parseFields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of stanza.replace(/\n[ \t]+/g, " ").split("\n")) {
    const [, name, value] = /^([^\s:]+):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, value);
  }
  return fields;
}

/** Which installed packages provide a virtual one. */
function providersOf(stanzas: readonly ReadonlyMap<string, string>[]): Map<string, string[]> {
  const providers = new Map<string, string[]>();
  for (const fields of stanzas) {
    const name = fields.get("Package");
    for (const virtual of relationNames(fields.get("Provides") ?? "", ",")) {
      if (name !== undefined) providers.set(virtual, [...(providers.get(virtual) ?? []), name]);
    }
  }
  return providers;
}

/**
 * Of each `a | b` of a list the first that is installed, else the installed providers of the first that has any.
 * dpkg saw to the versions; of two alternatives that are both installed the one that counted may be the other.
 */
function satisfiers(
  list: string,
  installed: ReadonlySet<string>,
  providers: ReadonlyMap<string, readonly string[]>,
): string[] {
  const found = new Set<string>();
  for (const clause of list.split(",")) {
    const alternatives = relationNames(clause, "|");
    const real = alternatives.find((name) => installed.has(name));
    const virtual = alternatives.find((name) => providers.has(name)) ?? "";
    for (const name of real === undefined ? (providers.get(virtual) ?? []) : [real]) found.add(name);
  }
  return [...found].toSorted(compareText);
}

/** Package names of a relationship field, without versions and architecture qualifiers (Debian Policy, 7.1). */
function relationNames(list: string, separator: "," | "|"): string[] {
  return list
    .split(separator)
    .map((item) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(item)?.[1])
    .filter((name) => name !== undefined);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
