import type { FileFact } from "../facts.ts";
import type { Signer } from "../model.ts";
import { KEY_TYPES, readPublicKeys } from "../public-keys.ts";
import type { Report } from "../report.ts";
import { quote } from "../values.ts";

/** The key type of signers: short, the same bytes for the same content, and what OpenSSH makes by default. */
const SIGNER_TYPES: ReadonlySet<string> = new Set(["ssh-ed25519"]);

/** A list of keys in the project file, and what may stand in it. */
interface KeyList {
  readonly path: readonly (string | number)[];
  readonly types: ReadonlySet<string>;
  readonly report: Report;
}

/**
 * RTK_CONFIG_KEY, RTK_CONFIG_PRIVATE_KEY, and the warning RTK_CONFIG_NO_KEYS. Returns the lines for authorized_keys.
 * Nothing of a file's content goes into a message.
 */
export function authorizedKeys(
  items: readonly string[],
  keyFiles: ReadonlyMap<number, FileFact>,
  report: Report,
): readonly string[] {
  const list = { path: ["image", "ssh", "authorized_keys"], types: KEY_TYPES, report };
  const lines = readKeys(items, keyFiles, list).map(({ key }) => key);
  if (items.length === 0) {
    const what = "no public key is named: nobody can log in to the board over ssh (rtkit run can, with its own key)";
    report.warning(
      "RTK_CONFIG_NO_KEYS",
      ["image", "ssh"],
      what,
      "add for example authorized_keys: [~/.ssh/id_ed25519.pub]",
      "key",
    );
  }
  return [...new Set(lines)];
}

/** RTK_CONFIG_KEY and RTK_CONFIG_PRIVATE_KEY of `image.signers`. */
export function signers(
  items: readonly string[],
  signerFiles: ReadonlyMap<number, FileFact>,
  report: Report,
): readonly Signer[] {
  const found = readKeys(items, signerFiles, { path: ["image", "signers"], types: SIGNER_TYPES, report });
  return found.filter(({ key }, index) => found.findIndex((other) => other.key === key) === index);
}

/** The keys of a list, each with the file that it stands in. */
function readKeys(
  items: readonly string[],
  files: ReadonlyMap<number, FileFact>,
  { path: listPath, types, report }: KeyList,
): readonly Signer[] {
  return items.flatMap((item, index) => {
    const path = [...listPath, index];
    const fact = files.get(index);
    const found = (text: string, source: string): Signer[] =>
      publicKeys(text, source, { path, types, report }).map((key) => ({ key, file: fact?.path ?? null }));
    if (fact === undefined) return found(item, "this");
    if (fact.kind === "file") return found(fact.head.toString("utf8"), quote(item));
    if (fact.kind === "missing") {
      const hint = "make a key with ssh-keygen -t ed25519, or name the .pub file of the one you have";
      report.error("RTK_CONFIG_KEY", path, `there is no key file ${quote(item)}`, hint);
    } else {
      const what = `${quote(item)} is not a readable file`;
      report.error("RTK_CONFIG_KEY", path, what, "name a public key file, which ends in .pub");
    }
    return [];
  });
}

function publicKeys(text: string, source: string, { path, types, report }: KeyList): readonly string[] {
  const read = readPublicKeys(text, types);
  if (read.kind === "keys") return read.keys;
  if (read.kind === "private") {
    const what = `${source} holds a PRIVATE key: it must never leave your machine, and above all not go into an image`;
    const hint = "name the public key, which ends in .pub; if the private one was ever shared, make a new pair";
    report.error("RTK_CONFIG_PRIVATE_KEY", path, what, hint);
    return [];
  }
  const kind = types === SIGNER_TYPES ? "an ed25519 public key" : "a public key that OpenSSH accepts";
  const what = read.kind === "none" ? `${source} holds no key` : `${source} is not ${kind}`;
  const line = read.kind === "wrong" && read.line !== null ? ` (line ${read.line})` : "";
  const shown = [...types].slice(0, 2).join(", ");
  const hint = `each line is a type (${shown}${types.size > 2 ? ", …" : ""}), the key, and a comment`;
  report.error("RTK_CONFIG_KEY", path, `${what}${line}`, hint);
  return [];
}
