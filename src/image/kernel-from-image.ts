import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Toolbox } from "../core/toolbox.ts";
import { configValue, parseConfigTxt } from "./boot/config-txt.ts";
import { DIRECT_FILES } from "./boot/direct.ts";
import { bootPartition, notAnImage, openDiskImage } from "./disk-image.ts";
import { copyFromFat, listFat, readFatText } from "./fat.ts";

/** What a loader outside the image needs: files on the host, and the command line without line end. */
export interface ImageKernel {
  readonly kernel: string;
  /** Null for a kernel that needs none. */
  readonly initramfs: string | null;
  readonly cmdline: string;
}

/**
 * Copies kernel and initramfs out of an image's boot partition into a folder, by the names its own firmware uses
 * (config.txt, else `vmlinuz`, `initrd.img`, `cmdline.txt`). Throws RTK_NOT_AN_IMAGE when one of them is missing.
 */
export async function kernelFromImage(tools: Toolbox, image: string, intoDir: string): Promise<ImageKernel> {
  const { start } = bootPartition(await openDiskImage(tools, image));
  const files = await listFat(tools, image, start);
  const config = files.includes("config.txt") ? await readFatText(tools, image, start, "config.txt") : "";
  const settings = parseConfigTxt(config);
  const name = (key: keyof typeof DIRECT_FILES): string => {
    // "initramfs" is followed by the address to load it to.
    const file = configValue(settings, key)?.split(/\s/)[0]?.replace(/^\//, "") ?? DIRECT_FILES[key];
    if (!files.includes(file)) throw notAnImage(image, `its boot partition has no ${file}`);
    return file;
  };
  const cmdline = (await readFatText(tools, image, start, name("cmdline"))).trimEnd();
  await mkdir(intoDir, { recursive: true });
  const copy = async (key: "kernel" | "initramfs"): Promise<string> => {
    const file = join(intoDir, DIRECT_FILES[key]);
    await copyFromFat(tools, image, start, name(key), file);
    return file;
  };
  const hasInitramfs = configValue(settings, "initramfs") !== undefined || files.includes(DIRECT_FILES.initramfs);
  return { kernel: await copy("kernel"), initramfs: hasInitramfs ? await copy("initramfs") : null, cmdline };
}
