/** Fields of one stanza of a deb822(5) file, names in lower case. Lines after the first keep their line feed. */
export type Stanza = ReadonlyMap<string, string>;

/** The stanzas of a deb822(5) text: a control file, a Packages list, dpkg's status, sources of apt. */
export function parseStanzas(text: string): Stanza[] {
  return text
    .split(/\n(?:[ \t]*\n)+/)
    .map((stanza) => parseStanza(stanza))
    .filter(({ size }) => size > 0);
}

/** A line that starts with white space goes on with the field before; lines that start with `#` are comments. */
function parseStanza(text: string): Stanza {
  const fields = new Map<string, string>();
  let name = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    const match = /^([\w-]+):(.*)$/.exec(line);
    if (match?.[1] !== undefined) {
      name = match[1].toLowerCase();
      fields.set(name, match[2]?.trim() ?? "");
    } else if (/^[ \t]/.test(line) && name !== "") {
      fields.set(name, `${fields.get(name) ?? ""}\n${line.trim()}`);
    }
  }
  return fields;
}
