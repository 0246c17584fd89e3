import { constants, gunzipSync } from "node:zlib";
import { posix } from "node:path";
import type { Firmware } from "../../config/model.ts";
import type { RtkitError } from "../../core/errors.ts";
import { breach, checkCmdline, checkRootAccess } from "./checks.ts";
import { configValue, parseConfigTxt, type ConfigSetting } from "./config-txt.ts";
import { compatibleOf, hasParameters } from "./device-tree.ts";
import type { BootContents, BootInput } from "./family.ts";
import { hasInitramfs } from "./package-file.ts";

const CONFIG = "config.txt";

/** "There is a 98-character line length limit" (config_txt.adoc, File Format); the rest of a line is ignored. */
const MAX_CONFIG_LINE = 98;

/**
 * Settings whose value is a file in the boot partition (config_txt/boot.adoc): several are separated by commas, and
 * what follows a blank is the address in memory.
 */
const FILE_SETTINGS = new Set([
  "kernel",
  "initramfs",
  "ramfsfile",
  "cmdline",
  "device_tree",
  "start_file",
  "fixup_file",
  "armstub",
  "include",
]);

/** What the boot ROM or EEPROM loads, by the chip that a device tree's name starts with (boot_folder.adoc). */
const LOADED_BY_CHIP: Readonly<Record<string, readonly string[]>> = {
  bcm2837: ["bootcode.bin", "start.elf", "fixup.dat"],
  bcm2711: ["start4.elf", "fixup4.dat"],
};

/** Checks a boot partition against the documented rules of Raspberry Pi's firmware: one error for each breach. */
export function checkRaspberryPi(
  contents: BootContents,
  input: BootInput,
  firmware: Extract<Firmware, { family: "raspberrypi" }>,
): RtkitError[] {
  const { files } = contents;
  const config = files.get(CONFIG);
  if (config === undefined) return [breach(CONFIG, "it is missing", "the firmware would start no 64-bit kernel")];
  const text = new TextDecoder().decode(config);
  const settings = parseConfigTxt(text);
  return [
    ...checkTable(input),
    ...checkConfigLines(text),
    ...checkNamedFiles(settings, files),
    ...checkParameters(settings, files, firmware.deviceTrees),
    ...checkBlobs(files, firmware.deviceTrees),
    ...checkKernel(configValue(settings, "kernel") ?? "kernel8.img", files, settings),
    ...checkRootAccess(contents, initramfsOf(settings, input), input),
    ...firmware.deviceTrees.flatMap((tree) => checkDeviceTree(posix.basename(tree), files)),
    ...checkCmdline(contents, configValue(settings, "cmdline") ?? "cmdline.txt", input),
  ];
}

/** The file that config.txt names; null where none is meant to be there. */
function initramfsOf(settings: readonly ConfigSetting[], { packages }: BootInput): string | null {
  const named = configValue(settings, "initramfs");
  if (named === undefined && !hasInitramfs(packages)) return null;
  return (named ?? "initramfs").split(/\s/)[0] ?? "";
}

function checkTable({ board, identity }: BootInput): RtkitError[] {
  const errors: RtkitError[] = [];
  if (identity.table !== "mbr") {
    errors.push(breach("partition table", "it is a GPT", "set partitionTable: mbr, which every boot ROM reads"));
  }
  const [first] = board.partitions;
  if (first?.content !== "boot" || first.filesystem !== "fat32") {
    errors.push(breach("partition table", "the first partition is not the FAT one to boot from", "put it first"));
  }
  return errors;
}

function checkConfigLines(text: string): RtkitError[] {
  return text
    .split("\n")
    .flatMap((line, index) =>
      line.length <= MAX_CONFIG_LINE
        ? []
        : [
            breach(
              `${CONFIG}:${index + 1}`,
              `the line has ${line.length} characters, the firmware reads ${MAX_CONFIG_LINE}`,
              "split it",
            ),
          ],
    );
}

function checkNamedFiles(settings: readonly ConfigSetting[], files: BootContents["files"]): RtkitError[] {
  const named = settings.flatMap(({ key, value, line }) => {
    if (key === "dtoverlay") {
      const overlay = value.split(/[,:]/)[0] ?? "";
      return overlay === "" ? [] : [{ line, file: `overlays/${overlay}.dtbo` }];
    }
    if (!FILE_SETTINGS.has(key)) return [];
    return (value.split(/\s/)[0] ?? "").split(",").map((file) => ({ line, file: file.replace(/^\//, "") }));
  });
  return named
    .filter(({ file }) => !files.has(file))
    .map(({ line, file }) => breach(`${CONFIG}:${line}`, `${file} is missing`, "name a file of the boot partition"));
}

/** The firmware says nothing of a parameter that it does not find. After a dtoverlay they are that overlay's. */
function checkParameters(
  settings: readonly ConfigSetting[],
  files: BootContents["files"],
  deviceTrees: readonly string[],
): RtkitError[] {
  const trees = deviceTrees.flatMap((tree) => files.get(posix.basename(tree)) ?? []);
  if (trees.some(hasParameters)) return [];
  let ofTree = true;
  return settings.flatMap(({ key, value, line }) => {
    if (key === "dtoverlay") ofTree = value === "";
    if (key !== "dtparam" || value === "" || !ofTree) return [];
    return breach(
      `${CONFIG}:${line}`,
      `dtparam=${value} changes nothing: the kernel's device trees have no parameters`,
      "use an overlay (dtoverlay=); those that there are lie in overlays/ of the boot partition",
    );
  });
}

function checkBlobs(files: BootContents["files"], deviceTrees: readonly string[]): RtkitError[] {
  const errors: RtkitError[] = [];
  const chips = new Set(deviceTrees.map((tree) => /^bcm\d+/.exec(posix.basename(tree))?.[0] ?? ""));
  for (const blob of [...chips].flatMap((chip) => LOADED_BY_CHIP[chip] ?? [])) {
    if (!files.has(blob)) errors.push(breach(blob, "it is missing", "add it to the blobs of the board file"));
  }
  for (const [path, bytes] of files) {
    // "start_file and fixup_file are a matched pair - using unmatched files will stop the board from booting."
    const partner =
      path.startsWith("start") && path.endsWith(".elf")
        ? path.replace(/^start(.*)\.elf$/, "fixup$1.dat")
        : path.replace(/^fixup(.*)\.dat$/, "start$1.elf");
    if (partner !== path && !files.has(partner)) {
      errors.push(breach(path, `its other half ${partner} is missing`, "add both to the blobs of the board file"));
    }
    if (path.endsWith(".elf") && !startsWith(bytes, [0x7f, 0x45, 0x4c, 0x46])) {
      errors.push(breach(path, "it is no ELF file", "reinstall raspi-firmware"));
    }
  }
  return errors;
}

function checkKernel(name: string, files: BootContents["files"], settings: readonly ConfigSetting[]): RtkitError[] {
  const file = name.replace(/^\//, "");
  const bytes = files.get(file);
  // A missing one was named with its line already, when config.txt names it.
  if (bytes === undefined)
    return settings.some(({ key }) => key === "kernel") ? [] : [breach(file, "it is missing", "add a kernel")];
  const errors: RtkitError[] = [];
  if (configValue(settings, "arm_64bit") !== "1") {
    errors.push(breach(CONFIG, "arm_64bit=1 is missing", "without it the firmware starts a 32-bit kernel"));
  }
  if (!isArm64Image(bytes)) {
    const zboot = startsWith(bytes.subarray(4), [0x7a, 0x69, 0x6d, 0x67]);
    errors.push(
      breach(
        file,
        zboot ? "it is an EFI zboot image, which the firmware cannot start" : "it is no arm64 kernel",
        "the firmware starts an arm64 Image, plain or compressed with gzip",
      ),
    );
  }
  return errors;
}

/** An arm64 Image has "ARM\x64" at 0x38 (Documentation/arch/arm64/booting.rst); the firmware also unpacks gzip (boot.adoc, arm_64bit). */
function isArm64Image(bytes: Uint8Array): boolean {
  const head = startsWith(bytes, [0x1f, 0x8b]) ? gunzipHead(bytes) : bytes;
  return startsWith(head.subarray(0x38), [0x41, 0x52, 0x4d, 0x64]);
}

function gunzipHead(bytes: Uint8Array): Uint8Array {
  try {
    // Z_SYNC_FLUSH: the input is cut off on purpose.
    return gunzipSync(bytes.subarray(0, 64 * 1024), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    // What cannot be unpacked is no kernel, which is what the caller reports.
    return new Uint8Array();
  }
}

function checkDeviceTree(file: string, files: BootContents["files"]): RtkitError[] {
  const bytes = files.get(file);
  if (bytes === undefined) return [breach(file, "it is missing", "add it to the deviceTrees of the board file")];
  const compatible = compatibleOf(bytes);
  if (compatible === undefined) return [breach(file, "it is no device tree", "reinstall the kernel package")];
  // bcm2711-rpi-4-b.dtb is "raspberrypi,4-model-b", "brcm,bcm2711".
  const chip = `brcm,${file.split("-")[0]}`;
  const isPi = compatible.some((name) => name.startsWith("raspberrypi,"));
  if (isPi && compatible.includes(chip)) return [];
  return [
    breach(
      file,
      `it is for ${compatible.join(", ")}, not for a Raspberry Pi with ${chip}`,
      "check deviceTrees of the board file",
    ),
  ];
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}
