/** The parts of a package URL that rtkit uses (https://github.com/package-url/purl-spec). */
export interface PackageUrl {
  readonly type: "deb" | "npm" | "pypi";
  readonly namespace?: string;
  readonly name: string;
  /** Left out when null. */
  readonly version: string | null;
  readonly qualifiers?: Readonly<Record<string, string | undefined>>;
}

/** Writes a package URL in its canonical form: names as the type wants them, qualifiers by name. */
export function packageUrl({ type, namespace, name, version, qualifiers = {} }: PackageUrl): string {
  const path = [namespace, type === "pypi" ? name.replaceAll("_", "-") : name]
    .filter((part) => part !== undefined)
    // The three types compare names without case.
    .map((part) => encode(part.toLowerCase()));
  const query = Object.entries(qualifiers)
    .filter(([, value]) => value !== undefined && value !== "")
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${encode(value ?? "")}`);
  const at = version === null ? "" : `@${encode(version)}`;
  return `pkg:${type}/${path.join("/")}${at}${query.length === 0 ? "" : `?${query.join("&")}`}`;
}

/** Percent-encodes all but letters, digits, `.-_~` and the colon (purl-spec, "Character encoding"). */
function encode(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (char) => `%${char.codePointAt(0)?.toString(16).toUpperCase()}`)
    .replaceAll("%3A", ":");
}
