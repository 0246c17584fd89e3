import {
  FIRST_BOOT_FILE,
  readFirstBootFile,
  withFirstBootSettings,
  type FirstBootKey,
  type FirstBootTemplate,
} from "../config/first-boot.ts";
import { RtkitError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import type { Extent } from "./extents.ts";
import { findFatFile, type ByteRange } from "./fat-file.ts";
import { firstBootLines, isAsked, type FirstBootSettings } from "./first-boot.ts";

/** How much of an image's beginning has to be read to find its settings file: it is the first in its boot partition. */
export const SETTINGS_HEAD_BYTES = 16 * 1024 ** 2;

/** Bytes that a card gets in place of the image's. */
export interface Patch {
  /** From the image's beginning. */
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Whether patches change anything in a range. */
export function isPatched({ offset, length }: Extent, patches: readonly Patch[]): boolean {
  return patches.some((patch) => patch.offset < offset + length && patch.offset + patch.bytes.length > offset);
}

/** What each key is set with, for messages. */
const OPTIONS: Readonly<Record<FirstBootKey, string>> = {
  hostname: "--hostname",
  timezone: "--timezone",
  ssh_key: "--ssh-key",
  ssh_host_key: "a host key",
  static_ip: "--static-ip",
  gateway: "--static-ip",
  dns: "--static-ip",
  wifi_ssid: "--wifi",
  wifi_country: "--wifi",
  wifi_psk: "--wifi",
  wifi_passphrase: "--wifi",
};

/** The settings file of an image, found in its first {@link SETTINGS_HEAD_BYTES}; undefined when it has none. */
export function imageSettings(head: Buffer): FirstBootTemplate | undefined {
  const found = findSettings(head);
  return typeof found === "string" ? undefined : found.template;
}

/**
 * What a card gets in place of the image's bytes, so that its first boot finds the settings. `head` is the image's first
 * {@link SETTINGS_HEAD_BYTES}, or all of a smaller one. Empty when nothing is set, and when the image takes nothing and
 * nothing but the host key that is made without being asked would be set.
 * Throws RTK_FLASH_NO_SETTINGS when the image takes no settings or not these, or has no room for them.
 */
export function settingsPatch(head: Buffer, settings: FirstBootSettings): readonly Patch[] {
  const lines = firstBootLines(settings);
  if (lines.length === 0) return [];
  const found = findSettings(head);
  if (typeof found === "string") {
    if (!isAsked(settings)) return [];
    throw noSettings(found, "flash it without settings, or an image that rtkit build made with the overlay base");
  }
  const { takes } = found.template;
  const refused = lines.find(([key]) => !takes.includes(key))?.[0];
  if (refused?.startsWith("wifi_") === true) {
    throw noSettings(
      "it has no program that joins Wi-Fi networks",
      "add wpasupplicant to image.packages of rtkit.yaml and build again, or leave out --wifi",
    );
  }
  if (refused !== undefined) {
    throw noSettings(`it does not take ${OPTIONS[refused]}`, "build it again with this rtkit, or leave that out");
  }
  const text = withFirstBootSettings(found.text, lines);
  if (text === undefined) {
    const room = formatSize(Buffer.byteLength(found.text));
    throw noSettings(`its ${FIRST_BOOT_FILE} has room for ${room}, which they do not fit`, "give fewer keys");
  }
  const bytes = Buffer.from(text);
  let used = 0;
  return found.ranges.map(({ offset, length }) => {
    used += length;
    return { offset, bytes: bytes.subarray(used - length, used) };
  });
}

/** The settings file, or why there is none. */
function findSettings(
  head: Buffer,
): { readonly ranges: readonly ByteRange[]; readonly text: string; readonly template: FirstBootTemplate } | string {
  const file = findFatFile(head, FIRST_BOOT_FILE);
  if ("missing" in file) {
    switch (file.missing) {
      case "file system":
        return `its first ${formatSize(head.length)} show no FAT boot partition`;
      case "beyond":
        return `its boot partition does not lie in its first ${formatSize(head.length)}`;
      case "file":
        return `its boot partition has no ${FIRST_BOOT_FILE}`;
    }
  }
  const content = Buffer.concat(file.ranges.map(({ offset, length }) => head.subarray(offset, offset + length)));
  const text = content.toString("utf8");
  const template = readFirstBootFile(text);
  const isText = Buffer.from(text).equals(content);
  if (template === undefined || !isText) return `${FIRST_BOOT_FILE} of its boot partition is not one of rtkit's`;
  return { ranges: file.ranges, text, template };
}

function noSettings(reason: string, hint: string): RtkitError {
  return new RtkitError("RTK_FLASH_NO_SETTINGS", `the image does not take these settings: ${reason}`, { hint });
}
