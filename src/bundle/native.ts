import { chmod, writeFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Board, NodeConfig, Project } from "../config/model.ts";
import { throwIfAny, usageError, type RtkitError } from "../core/errors.ts";
import { sha256 } from "../pipeline/digest.ts";
import { parseElf, type ElfHeader } from "./elf.ts";
import { bundleName, type ScannedNode } from "./scanned-node.ts";

/** e_machine and PT_INTERP of Debian's executables: elf.h, and the libc6 package's loader path per architecture. */
const TARGETS = {
  arm64: { machine: 183, loader: "/lib/ld-linux-aarch64.so.1", compiler: "aarch64-linux-gnu-gcc" },
  amd64: { machine: 62, loader: "/lib64/ld-linux-x86-64.so.2", compiler: "x86_64-linux-gnu-gcc" },
} as const satisfies Record<Board["architecture"], unknown>;

const ET_EXEC = 2;
const ET_DYN = 3;

/** Names of e_machine as Debian calls the architectures, for messages (elf.h). */
const MACHINES: Readonly<Record<number, string>> = {
  3: "i386",
  8: "mips",
  20: "powerpc",
  21: "ppc64",
  22: "s390x",
  40: "armhf",
  62: "amd64",
  183: "arm64",
  243: "riscv64",
  258: "loongarch64",
};

/** Checks that the board can run the executable. Throws RTK_BUNDLE_NOT_ELF or RTK_BUNDLE_EXECUTABLE. */
export async function scanNative(project: Project, node: NodeConfig): Promise<ScannedNode> {
  const bytes = await readFile(node.entry);
  const elf = parseElf(bytes, node.entry);
  throwIfAny(executableErrors(elf, project.board, node.entry));
  return {
    node,
    sdk: elf.needed.includes("librtnode.so"),
    imports: [],
    warnings: [],
    step: {
      name: `bundle-${node.name}`,
      title: `Bundle ${node.name} (executable)`,
      inputs: { executable: sha256(bytes) },
      run: async (outDir) => {
        const file = join(outDir, bundleName(node));
        await writeFile(file, bytes);
        await chmod(file, 0o755);
      },
    },
  };
}

/** Why an executable cannot run on a board; none when it can. */
export function executableErrors(
  elf: ElfHeader,
  board: Pick<Board, "name" | "architecture">,
  file: string,
): RtkitError[] {
  const target = TARGETS[board.architecture];
  const error = (message: string, hint: string): RtkitError =>
    usageError("RTK_BUNDLE_EXECUTABLE", message, { where: { file }, hint });
  if (elf.bits !== 64 || elf.endianness !== "little" || elf.machine !== target.machine) {
    const what = MACHINES[elf.machine] ?? `machine ${elf.machine}`;
    return [
      error(
        `this executable is for ${what} (${elf.bits} bit, ${elf.endianness} endian); the board ${board.name} is ${board.architecture}`,
        `compile it for ${board.architecture}, for instance with ${target.compiler}`,
      ),
    ];
  }
  if (elf.type !== ET_EXEC && elf.type !== ET_DYN) {
    return [error("this ELF file is no executable (an object file or a core dump)", "name the linked executable")];
  }
  if (elf.interpreter !== null && elf.interpreter !== target.loader) {
    return [
      error(
        `this executable asks for the loader ${elf.interpreter}; Debian's is ${target.loader}: it was built for another C library`,
        "compile it on Debian, or link it statically",
      ),
    ];
  }
  return [];
}
