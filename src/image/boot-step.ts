import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FIRST_BOOT_FILE } from "../config/first-boot.ts";
import type { Board, NodeConfig } from "../config/model.ts";
import { throwIfAny } from "../core/errors.ts";
import type { Toolbox } from "../core/toolbox.ts";
import type { Step, StepOutput } from "../pipeline/step.ts";
import { isolatedCpus, kernelCmdline } from "./boot/cmdline.ts";
import type { BootContents, BootInput } from "./boot/family.ts";
import { bootFiles, checkBootFiles } from "./boot/files.ts";
import type { ContentSize } from "./content-size.ts";
import { makeFat, type FileSource } from "./fat.ts";
import { diskIdentity, type DiskIdentity } from "./identity.ts";
import type { PlacedPartition } from "./layout.ts";
import { imagePath, packPartition, partitionInputs } from "./partition-image.ts";

/** What the boot partition will hold, known before anything has its place. */
export interface BootPlan {
  readonly identity: DiskIdentity;
  /** The kernel command line, without line end. */
  readonly cmdline: string;
  readonly input: BootInput;
  readonly files: ReadonlyMap<string, FileSource>;
  readonly size: ContentSize;
  /** The step of the packages' contents that the files come from. */
  readonly packages: StepOutput;
}

/**
 * Plans the boot partition of a project from what its packages contain (`kernel/`, `firmware/`), and of the file of the
 * first boot's settings, null for an image that takes none.
 * Throws RTK_BOOT_FILE when it lacks a file, RTK_IMAGE_CMDLINE and RTK_IMAGE_LAYOUT for a board that cannot boot.
 */
export function planBoot(
  project: { readonly name: string; readonly board: Board; readonly nodes: readonly NodeConfig[] },
  packages: StepOutput,
  settings: string | null,
): BootPlan {
  const { name, board } = project;
  const identity = diskIdentity(name, board);
  const cmdline = kernelCmdline(board, identity, isolatedCpus(project));
  const paths = Object.keys(packages.files).toSorted();
  const input: BootInput = { board, identity, cmdline, packages: { dir: packages.dir, paths } };
  const files = new Map(bootFiles(input));
  if (settings !== null) files.set(FIRST_BOOT_FILE, { text: settings });
  const bytes = [...files.values()].reduce((sum, source) => sum + sourceBytes(source, packages), 0);
  return { identity, cmdline, input, files, size: { bytes, entries: files.size }, packages };
}

/** Makes the FAT of the boot partition. Fails with RTK_BOOT_RULE for each rule of the firmware that is not kept. */
export function bootStep(options: {
  readonly tools: Toolbox;
  readonly plan: BootPlan;
  readonly partition: PlacedPartition;
}): Step {
  const { tools, plan, partition } = options;
  const { files, packages, input } = plan;
  return {
    name: "boot",
    title: `Boot partition (${input.board.firmware.family})`,
    inputs: {
      tools: tools.digest,
      sourceDateEpoch: tools.sourceDateEpoch,
      partition: partitionInputs(partition),
      files: Object.fromEntries([...files].map(([path, source]) => [path, sourceDigest(source, packages)])),
      kernelConfig: packages.files["kernel/config"]?.sha256,
      // The checks read these too.
      firmware: JSON.stringify(input.board.firmware),
      cmdline: plan.cmdline,
    },
    run: async (outDir, { signal, progress }) => {
      progress("checking the firmware's rules");
      throwIfAny(checkBootFiles(await readContents(plan), input));
      progress("writing the file system");
      const file = imagePath(outDir, partition);
      const { size, name: label, fsUuid: serial } = partition;
      await makeFat(tools, { file, size, label, serial, files, first: FIRST_BOOT_FILE, signal });
      await packPartition(tools, outDir, partition);
    },
  };
}

async function readContents({ files, packages }: BootPlan): Promise<BootContents> {
  const contents = new Map<string, Uint8Array>();
  for (const [path, source] of files) {
    contents.set(path, "text" in source ? Buffer.from(source.text) : await readFile(source.file));
  }
  return { files: contents, kernelConfig: await readFile(join(packages.dir, "kernel/config"), "utf8") };
}

function sourceBytes(source: FileSource, packages: StepOutput): number {
  return "text" in source ? Buffer.byteLength(source.text) : record(source.file, packages).size;
}

function sourceDigest(source: FileSource, packages: StepOutput): string {
  return "text" in source ? source.text : record(source.file, packages).sha256;
}

function record(file: string, packages: StepOutput): StepOutput["files"][string] {
  const found = packages.files[file.slice(packages.dir.length + 1)];
  if (found === undefined) throw new Error(`${file} is not of the packages step`);
  return found;
}
