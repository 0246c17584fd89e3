import { existsSync } from "node:fs";
import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inKernel, type KernelTree } from "./make.ts";

/** What {@link makeDeb} packs. */
export interface DebFacts {
  /** Has `kernel/` and `modules/`; the package goes there too. */
  readonly outDir: string;
  /** `6.12.118-rtkit` */
  readonly release: string;
  /** Of the package. */
  readonly version: string;
  /** A folder below the build's, for the package's own tree. */
  readonly stage: string;
}

/**
 * Makes the kernel a Debian package as Debian's own are laid out (`linux-image-<release>`): for boards that get their
 * software with apt. Its scripts call the hooks in /etc/kernel, as those of Debian's packages do: they make an initramfs
 * where initramfs-tools is, and write the boot partition where raspi-firmware is. That one does nothing without an
 * initramfs, so in an image whose kernel needs none the package writes the boot partition itself.
 */
export async function makeDeb(tree: KernelTree, { outDir, release, version, stage }: DebFacts): Promise<void> {
  const root = join(tree.build, stage);
  await rm(root, { recursive: true, force: true });
  await mkdir(join(root, "DEBIAN"), { recursive: true });
  await mkdir(join(root, "boot"));
  await cp(join(outDir, "kernel/vmlinuz"), join(root, "boot", `vmlinuz-${release}`));
  await cp(join(outDir, "kernel/config"), join(root, "boot", `config-${release}`));
  const modules = join(outDir, "modules/lib/modules");
  if (existsSync(modules)) await cp(modules, join(root, "usr/lib/modules"), { recursive: true });
  const kinds = await readdir(join(outDir, "kernel"));
  for (const [kind, folder] of [
    ["dtbs", ""],
    ["overlays", "overlays"],
  ] as const) {
    if (!kinds.includes(kind)) continue;
    await cp(join(outDir, "kernel", kind), join(root, "usr/lib", `linux-image-${release}`, folder), {
      recursive: true,
    });
  }
  const name = `linux-image-${release}`;
  await writeFile(join(root, "DEBIAN/control"), control(name, version, tree.architecture));
  for (const script of ["preinst", "postinst", "prerm", "postrm"]) {
    await writeFile(join(root, "DEBIAN", script), maintainerScript(script, release), { mode: 0o755 });
  }
  const file = `${name}_${version.replace(/^\d+:/, "")}_${tree.architecture}.deb`;
  // Times of files are the build's own: dpkg-deb clamps them to this.
  const env = { SOURCE_DATE_EPOCH: String(tree.sourceDateEpoch) };
  await inKernel(tree, ["sh", "-c", PACK_SCRIPT, "sh", `/build/${stage}`, `/build/${file}`], { env });
  await cp(join(tree.build, file), join(outDir, file));
  await rm(join(tree.build, file));
}

/**
 * rtkit's images start `vmlinuz` of their boot partition, and have an initrd.img beside it unless the kernel needs none. A
 * file is whole before it takes the name of the one that is there.
 */
const BOOT_SCRIPT = [
  "boot=@root@/boot/firmware",
  'if [ "$1" = configure ] && [ -e "$boot/vmlinuz" ] && [ ! -e "$boot/initrd.img" ]; then',
  "  trees=@root@/usr/lib/linux-image-@release@",
  '  for file in "$trees"/overlays/*.dtbo "$trees"/*/*.dtb @root@/boot/vmlinuz-@release@; do',
  "    name=${file##*/}; name=${name%-@release@}",
  "    case $name in",
  '    *.dtbo) [ -e "$file" ] && [ -d "$boot/overlays" ] || continue; name=overlays/$name ;;',
  '    *) [ -e "$boot/$name" ] || continue ;;',
  "    esac",
  '    cp "$file" "$boot/$name.new"',
  '    sync "$boot/$name.new"',
  '    mv "$boot/$name.new" "$boot/$name"',
  "  done",
  '  sync "$boot"',
  "fi",
].join("\n");

/** Modes of the host's umask would be packed too. */
const PACK_SCRIPT = [
  "set -eu",
  'chmod -R u=rwX,go=rX "$1"',
  'find "$1" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +',
  'dpkg-deb --root-owner-group -Zxz --build "$1" "$2" >/dev/null',
].join("\n");

/** Debian policy 5.3. */
function control(name: string, version: string, architecture: string): string {
  return [
    `Package: ${name}`,
    "Source: linux",
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    "Maintainer: rtkit <rtkit@localhost>",
    "Section: kernel",
    "Priority: optional",
    "Depends: kmod",
    "Provides: linux-image",
    "Description: real-time Linux kernel made by rtkit",
    " A kernel with PREEMPT_RT, compiled for one kind of board. Its configuration is",
    ` in /boot/config-${name.replace("linux-image-", "")}.`,
    "",
  ].join("\n");
}

/**
 * As in Debian's kernel packages: run-parts(8) over /etc/kernel/<script>.d with the release and the kernel's file. `root` is
 * empty, but in tests.
 */
export function maintainerScript(script: string, release: string, root = ""): string {
  return [
    "#!/bin/sh",
    "set -e",
    ...(script === "postinst" ? [BOOT_SCRIPT.replaceAll("@root@", root).replaceAll("@release@", release)] : []),
    'DEB_MAINT_PARAMS="$*"',
    "export DEB_MAINT_PARAMS",
    `[ ! -d /etc/kernel/${script}.d ] || run-parts --report --exit-on-error --arg=${release} --arg=/boot/vmlinuz-${release} /etc/kernel/${script}.d`,
    "",
  ].join("\n");
}
