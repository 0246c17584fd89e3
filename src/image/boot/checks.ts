import { RtkitError } from "../../core/errors.ts";
import { rootPartUuid } from "./cmdline.ts";
import type { BootContents, BootInput } from "./family.ts";
import { initramfsCompressions } from "./initramfs.ts";

/** A breach of a rule of the firmware or the kernel that would keep the board from starting. */
export function breach(file: string, problem: string, hint: string): RtkitError {
  return new RtkitError("RTK_BOOT_RULE", `boot partition, ${file}: ${problem}`, { hint });
}

/** The command line is one line, and its root is the partition table's root partition. */
export function checkCmdline(contents: BootContents, file: string, input: BootInput): RtkitError[] {
  const bytes = contents.files.get(file);
  if (bytes === undefined) return [breach(file, "it is missing", "the kernel would not find its root file system")];
  const text = new TextDecoder().decode(bytes);
  const errors: RtkitError[] = [];
  // The Pi's firmware passes on the first line only.
  if (!/^[^\r\n]+\n?$/.test(text)) errors.push(breach(file, "it is not one line", "put all words on one line"));
  const root = text.split(/\s+/).filter((word) => word.startsWith("root="));
  const wanted = `root=PARTUUID=${rootPartUuid(input.board, input.identity)}`;
  if (root.length !== 1 || root[0] !== wanted) {
    errors.push(
      breach(file, `it says ${root.join(" ") || "no root="}, not ${wanted}`, "remove root= from the board's cmdline"),
    );
  }
  return errors;
}

/** The kernel gets at its root file system: by its initramfs, or without one (null) by itself. */
export function checkRootAccess(contents: BootContents, initramfs: string | null, input: BootInput): RtkitError[] {
  if (initramfs !== null) return checkInitramfs(contents, initramfs);
  const { partitionTable } = input.board;
  const needed = ["CONFIG_EXT4_FS", "CONFIG_DEVTMPFS_MOUNT", PARTITION_OPTIONS[partitionTable]];
  const options = new Set(contents.kernelConfig.split("\n"));
  return needed
    .filter((option) => !options.has(`${option}=y`))
    .map((option) =>
      breach(
        "kernel",
        `${option} is not built in`,
        "without an initramfs the kernel mounts the root file system itself",
      ),
    );
}

/** What the kernel reads a partition table with. */
const PARTITION_OPTIONS = { mbr: "CONFIG_MSDOS_PARTITION", gpt: "CONFIG_EFI_PARTITION" } as const;

/** The kernel's configuration can unpack each part of the initramfs. */
function checkInitramfs(contents: BootContents, file: string): RtkitError[] {
  const bytes = contents.files.get(file);
  if (bytes === undefined) return [breach(file, "it is missing", "the kernel needs it to find its root file system")];
  const parts = initramfsCompressions(bytes);
  if (parts === undefined) {
    return [breach(file, "it is no initramfs", "it must be a cpio archive, compressed or not")];
  }
  const options = new Set(contents.kernelConfig.split("\n"));
  return parts
    .filter((option) => option !== null && !options.has(`${option}=y`))
    .map((option) =>
      breach(file, `the kernel cannot unpack it: ${option} is not set`, "choose another COMPRESS= for initramfs-tools"),
    );
}
