import { stripVTControlCharacters } from "node:util";

/** Why a machine will not come up, as its serial console told. */
export interface SerialFault {
  readonly kind: "panic" | "no-root" | "emergency";
  /** The words after the sign: the panic's reason, the device that is missing; may be empty. */
  readonly detail: string;
}

/** Reads a serial console as it comes. */
export interface SerialWatcher {
  /** Takes the next piece of text, cut anywhere. */
  readonly feed: (text: string) => void;
  /** The first fault that was seen. */
  readonly fault: () => SerialFault | undefined;
  /** The last lines that are not empty, without colours, at most 20. */
  readonly lastLines: () => readonly string[];
}

const KEPT_LINES = 20;

/** A line without end is cut here, so that a guest that prints none cannot fill our memory. */
const MAX_LINE = 4096;

const SIGNS: readonly { readonly kind: SerialFault["kind"]; readonly sign: RegExp }[] = [
  // panic() in the kernel's kernel/panic.c.
  { kind: "panic", sign: /Kernel panic - not syncing:? ?(.*)$/ },
  // local_device_setup() in initramfs-tools' scripts/local.
  { kind: "no-root", sign: /Gave up waiting for (.+?) device/ },
  // systemd's emergency.service and rescue.service, see sulogin-shell.c; the second when root has no password.
  { kind: "emergency", sign: /You are in (?:emergency|rescue) mode()/ },
  { kind: "emergency", sign: /Cannot open access to console, the root account is locked()/ },
];

/** A watcher that has seen nothing yet. */
export function serialWatcher(): SerialWatcher {
  let rest = "";
  let fault: SerialFault | undefined;
  const lines: string[] = [];
  const take = (raw: string): void => {
    const line = plain(raw);
    if (line === "") return;
    fault ??= faultIn(line);
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
  };
  return {
    feed: (text) => {
      const pieces = (rest + text).split("\n");
      rest = pieces.pop() ?? "";
      for (const piece of pieces) take(piece);
      while (rest.length > MAX_LINE) {
        take(rest.slice(0, MAX_LINE));
        rest = rest.slice(MAX_LINE);
      }
    },
    fault: () => fault,
    lastLines: () => [...lines, plain(rest)].filter((line) => line !== "").slice(-KEPT_LINES),
  };
}

function faultIn(line: string): SerialFault | undefined {
  for (const { kind, sign } of SIGNS) {
    const match = sign.exec(line);
    if (match !== null) return { kind, detail: (match[1] ?? "").trim() };
  }
  return undefined;
}

function plain(line: string): string {
  return stripVTControlCharacters(line)
    .replaceAll(/\p{Cc}/gu, "")
    .trimEnd();
}
