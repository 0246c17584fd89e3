import type { OpenTree } from "./tree-index.ts";

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/, "Machine-readable debian/copyright file". */
const FORMAT = /^Format:\s*https?:\/\/www\.debian\.org\/doc\/packaging-manuals\/copyright-format\/1\.0\/?\s*$/im;

/** A short name has no spaces but before an exception to it; names are joined with `and`, `or` and commas. */
const NAME = String.raw`[\w.+~/-]+(?: with [\w.+~ /-]+ exception)?`;
const SYNOPSIS = new RegExp(`^${NAME}(?:,? (?:and|or) ${NAME}|, ${NAME})*$`, "i");

/**
 * The licences that a package's machine-readable copyright file names, as Debian writes them, sorted. They are those of
 * the whole source package. Undefined for a file in free text, and for one with text where names should stand: part of
 * the licences would pass for all.
 */
export function parseCopyright(text: string): string[] | undefined {
  if (!FORMAT.test(text)) return undefined;
  const names = new Set<string>();
  // Stanzas that begin with License hold texts that the others refer to.
  for (const stanza of text.split(/\n(?:[ \t]*\n)+/).filter((part) => /^(?:Format|Files):/im.test(part))) {
    const synopsis = /^License:[ \t]*(.*)$/im.exec(stanza)?.[1]?.trim();
    if (synopsis === undefined && /^Format:/im.test(stanza)) continue;
    if (synopsis === undefined || !SYNOPSIS.test(synopsis)) return undefined;
    names.add(synopsis);
  }
  return names.size === 0 ? undefined : [...names].toSorted();
}

/** {@link parseCopyright} of an installed package. */
export async function licencesOf(tree: OpenTree, name: string): Promise<string[] | undefined> {
  const folder = tree.byPath.get(`usr/share/doc/${name}`);
  // One package may refer to another of the same source (Debian Policy, 12.5).
  const owner = folder?.type === "symlink" ? folder.link : name;
  const path = `usr/share/doc/${owner}/copyright`;
  const type = tree.byPath.get(path)?.type;
  if (type !== "file" && type !== "link") return undefined;
  return parseCopyright((await tree.read(path)).toString("utf8"));
}
