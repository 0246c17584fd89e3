import * as z from "zod";
import { fileName, lineOfText, packageName, say, size, quote } from "./values.ts";

/** One word of a command line or configuration file. */
const word = z.string().regex(/^[\x21-\x7e]+$/, {
  error: (issue) => say(`${quote(issue.input)} is not one word`, "write each word as an item of its own"),
});

const relativeFile = z.string().regex(/^(?!.*(^|\/)\.\.?(\/|$))[A-Za-z0-9_+.,-]+(\/[A-Za-z0-9_+.,-]+)*$/, {
  error: (issue) =>
    say(`${quote(issue.input)} is not a relative file name`, "for example broadcom/bcm2711-rpi-4-b.dtb"),
});

function notACount(issue: { readonly input?: unknown }): string {
  return say(`${quote(issue.input)} is not a number of CPUs`, "write how many CPUs the board has");
}

const firmware = z
  .discriminatedUnion("family", [
    z.strictObject({
      family: z
        .literal("raspberrypi")
        .describe("Raspberry Pi's GPU firmware reads config.txt from the boot partition."),
      deviceTrees: z
        .array(relativeFile)
        .min(1, { error: () => say("the list is empty", "name the board's device tree") })
        .describe("Device trees below the kernel's device tree folder."),
      blobs: z
        .array(relativeFile)
        .min(1, { error: () => say("the list is empty", "the firmware needs a start file") })
        .describe("Firmware files of Debian's raspi-firmware that this board loads."),
      config: z.array(lineOfText).optional().describe("Lines of config.txt besides those that rtkit derives."),
    }),
    z.strictObject({
      family: z
        .literal("direct")
        .describe(
          "A loader outside the image (QEMU's -kernel) reads kernel, initramfs and command line from the boot partition.",
        ),
    }),
  ])
  .describe("How the kernel gets started.");

const partition = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,16}$/, {
      error: (issue) => say(`${quote(issue.input)} is not a label`, "use 1 to 16 letters, digits, _ and -"),
    })
    .describe("Label of the file system; at most 11 characters in capitals for FAT, 16 for ext4."),
  content: z.enum(["boot", "root", "data", "empty"]).describe("What rtkit puts in."),
  filesystem: z.enum(["fat32", "ext4"]).describe("The file system."),
  mount: z
    .string()
    .regex(/^\/([A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*)?$/, {
      error: (issue) => say(`${quote(issue.input)} is not a mount point`, "write an absolute path"),
    })
    .optional()
    .describe("Where the board mounts it. Default: nowhere."),
  size: z
    .union([z.literal("auto"), size], {
      error: (issue) => say(`${quote(issue.input)} is not a size`, "write for example 256M, or auto"),
    })
    .describe("Its size, or `auto` for what the content needs plus `spare`."),
  spare: size.optional().describe("Free space added to `auto`. Default: 0."),
  grow: z
    .boolean()
    .optional()
    .describe(
      "Grow to fill the card at first boot; only the last can, and on an MBR only among at most four. Default: false.",
    ),
});

/** A board file's shape. Sizes come out in bytes; defaults are not filled in. */
export const boardSchema = z
  .strictObject({
    description: lineOfText.describe("One line for `rtkit boards`."),
    architecture: z.enum(["arm64", "amd64"]).describe("Debian's name of the architecture."),
    cpus: z.int().min(1, { error: notACount }).max(1024, { error: notACount }).describe("How many CPUs the board has."),
    suite: z.enum(["trixie"]).describe("The Debian suite."),
    kernel: z
      .strictObject({
        package: packageName.describe("The Debian package of the kernel."),
        fragments: z
          .array(fileName)
          .describe("Fragments in board-configs/kernel/ (without .config) that the kernel is checked against."),
      })
      .describe("The kernel and what its configuration has to satisfy."),
    firmware,
    cmdline: z
      .array(word)
      .describe("Words of the kernel's command line besides root=, console= and what follows from isolated CPUs."),
    consoles: z
      .array(word)
      .min(1, { error: () => say("the list is empty", "name at least one console") })
      .describe("Values of console=; the last becomes /dev/console."),
    packages: z.array(packageName).describe("Debian packages the board needs."),
    overlays: z.array(fileName).describe("Folders in overlays/, in layering order."),
    partitionTable: z.enum(["mbr", "gpt"]).describe("The kind of partition table."),
    partitions: z
      .array(partition)
      .min(1, { error: () => say("the list is empty", "a board needs boot, root and data") })
      .describe("Partitions in the order they stand on the card."),
    qemu: z
      .strictObject({
        machine: lineOfText.describe("QEMU's -machine, without accelerator."),
        cpu: lineOfText.describe("QEMU's -cpu when it emulates."),
        console: word.describe("Kernel name of the serial console there."),
        memory: size.describe("QEMU's -m by default."),
      })
      .describe("How `rtkit run` emulates the board."),
  })
  .describe("A board: what an image for it is made of.");

/** A board file whose shape is right. */
export type BoardInput = z.output<typeof boardSchema>;
