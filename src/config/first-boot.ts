/**
 * The file of the first boot's settings, in the top folder of the boot partition: the image brings it without settings, a
 * flash or a text editor puts some in, the board applies them once and wipes it (docs/flash.md). A name that every
 * computer opens with its text editor.
 */
export const FIRST_BOOT_FILE = "firstboot.txt";

/** Bytes of the file: room for about twenty ssh keys. It never changes its size, so that settings are put in where it lies. */
export const FIRST_BOOT_BYTES = 16 * 1024;

/** Keys of the file, in the order they are written. What they mean: docs/flash.md. */
export const FIRST_BOOT_KEYS = [
  "hostname",
  "timezone",
  "ssh_key",
  "ssh_host_key",
  "static_ip",
  "gateway",
  "dns",
  "wifi_ssid",
  "wifi_country",
  "wifi_psk",
  "wifi_passphrase",
] as const;

export type FirstBootKey = (typeof FIRST_BOOT_KEYS)[number];

/** What an image says of itself in its settings file. */
export interface FirstBootTemplate {
  /** The name that the image has without settings. */
  readonly hostname: string;
  /** Keys that it knows what to do with. */
  readonly takes: readonly FirstBootKey[];
}

const HOSTNAME = "# hostname of this image: ";
const TAKES = "# takes: ";

const EXAMPLES: Readonly<Record<FirstBootKey, string>> = {
  hostname: "hostname=arm-2",
  timezone: "timezone=Europe/Berlin",
  ssh_key: "ssh_key=ssh-ed25519 AAAA... (a public key; one line for each)",
  ssh_host_key: "ssh_host_key=... (written by rtkit flash)",
  static_ip: "static_ip=192.168.1.20/24 (of Wi-Fi where that is set, else of the wired network)",
  gateway: "gateway=192.168.1.1",
  dns: "dns=192.168.1.1 (one line for each)",
  wifi_ssid: "wifi_ssid=workshop",
  wifi_country: "wifi_country=DE",
  wifi_psk: "wifi_psk=... (64 hex digits, written by rtkit flash)",
  wifi_passphrase: "wifi_passphrase=... (in place of wifi_psk)",
};

/** The settings file as an image brings it: {@link FIRST_BOOT_BYTES} of it, and no setting. */
export function firstBootFile({ hostname, takes }: FirstBootTemplate): string {
  const lines = [
    "# Settings for the first boot: the board applies them once, and wipes this file. rtkit flash writes them; by hand,",
    "# put one KEY=VALUE per line. Lines that begin with # are ignored.",
    `${HOSTNAME}${hostname}`,
    `${TAKES}${takes.join(" ")}`,
    "#",
    ...takes.map((key) => `#   ${EXAMPLES[key]}`),
  ];
  return fillUp(`${lines.join("\n")}\n`, FIRST_BOOT_BYTES);
}

/** What an image's settings file says of the image; undefined when it is none. */
export function readFirstBootFile(text: string): FirstBootTemplate | undefined {
  const lines = text.split(/\r?\n/);
  const said = (start: string): string | undefined =>
    lines
      .find((line) => line.startsWith(start))
      ?.slice(start.length)
      .trim();
  const [hostname, takes] = [said(HOSTNAME), said(TAKES)];
  if (hostname === undefined || takes === undefined) return undefined;
  const words = takes.split(/\s+/);
  return { hostname, takes: FIRST_BOOT_KEYS.filter((key) => words.includes(key)) };
}

/**
 * An image's settings file with these settings in place of those it has, exactly as long as before; undefined when they do
 * not fit.
 */
export function withFirstBootSettings(
  file: string,
  settings: readonly (readonly [FirstBootKey, string])[],
): string | undefined {
  const comments = file.split(/\r?\n/).filter((line) => line.startsWith("#"));
  const lines = [...comments, ...settings.map(([key, value]) => `${key}=${value}`)];
  const text = `${lines.join("\n")}\n`;
  const bytes = Buffer.byteLength(file);
  return Buffer.byteLength(text) <= bytes ? fillUp(text, bytes) : undefined;
}

/** Blank lines up to a size, few enough to scroll past in an editor. */
function fillUp(text: string, bytes: number): string {
  const blank = `${" ".repeat(127)}\n`;
  const missing = bytes - Buffer.byteLength(text);
  // The last line keeps its end.
  return missing === 0 ? text : `${text}${blank.repeat(Math.ceil(missing / blank.length)).slice(0, missing - 1)}\n`;
}
