import type { Layer } from "./layer.ts";

/**
 * A library in a folder that the loader's cache is of, a folder for that cache, or hardware facts for udev. The folders
 * are glibc's own and those of Debian's /etc/ld.so.conf.d, with and without the architecture's name. Private ones
 * (usr/lib/rtnode) are looked into by nobody but their owners.
 */
const DERIVED_AT_BOOT = new RegExp(
  [
    String.raw`^(?:usr\/(?:local\/)?)?lib\/(?:\w+-linux-gnu\w*\/)?[^/]+\.so(?:\.[^/]*)?$`,
    String.raw`^etc\/ld\.so\.conf\.d\/[^/]+\.conf$`,
    String.raw`^etc\/udev\/hwdb\.d\/[^/]+\.hwdb$`,
  ].join("|"),
);

/**
 * Whether systemd derives something from a file at a boot where /etc/.updated is missing: ldconfig.service and
 * systemd-hwdb-update.service (ConditionNeedsUpdate=, systemd.unit(5)). `path` is without the slash before.
 */
export function isDerivedAtBoot(path: string): boolean {
  return DERIVED_AT_BOOT.test(path);
}

/** What is made from files while packages are installed, and by nothing on the board's first boot. */
const MADE_BEFORE = [
  {
    of: /^(?:usr\/)?lib\/modules\/.+\.ko(?:\.(?:gz|xz|zst))?$/,
    made: /^(?:usr\/)?lib\/modules\/[^/]+\/modules\.dep\.bin$/,
    what: "modprobe does not find it: the kernel's list of modules was made before overlays are put on",
    hint: "run depmod over all the kernel's modules, put its modules.* files into the overlay, and name them under replaces",
  },
  {
    of: /^etc\/initramfs-tools\/./,
    made: undefined,
    what: "the initramfs does not follow it: it was made before overlays are put on",
    hint: "put it into a Debian package and name that in image.packages; a kernel that rtkit compiles needs no initramfs",
  },
  {
    of: /^(?:usr\/)?lib\/udev\/hwdb\.d\/[^/]+\.hwdb$/,
    made: /^(?:usr\/)?lib\/udev\/hwdb\.bin$/,
    what: "udev does not find it: the hardware database was made before overlays are put on",
    hint: "put it into etc/udev/hwdb.d, for which the first boot makes it anew",
  },
  {
    of: /^usr\/local\/share\/ca-certificates\/.+\.crt$/,
    made: /^etc\/ssl\/certs\/ca-certificates\.crt$/,
    what: "programs do not trust it: the list of certificates was made before overlays are put on",
    hint: "put /etc/ssl/certs/ca-certificates.crt with the certificate added into the overlay, and name it under replaces",
  },
] as const;

/**
 * A warning for each overlay with files that something should have been made from, which is not. An overlay that brings
 * what is to be made is not warned of.
 */
export function staleDerivations(layers: readonly Layer[]): { readonly message: string; readonly hint: string }[] {
  return layers.flatMap(({ name, entries }) =>
    MADE_BEFORE.flatMap(({ of, made, what, hint }) => {
      const found = entries.find(({ path, content }) => content.kind !== "directory" && of.test(path));
      const isMade = made !== undefined && entries.some(({ path }) => made.test(path));
      return found === undefined || isMade ? [] : [{ message: `/${found.path} of ${name}: ${what}`, hint }];
    }),
  );
}
