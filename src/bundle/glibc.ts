/**
 * The newest version of the GNU C library that ELF files ask for (`2.34`), by the names of versions in their tables of
 * strings (Linux Standard Base 5.0, symbol versioning); undefined when they ask for none. Pure.
 */
export function neededGlibc(files: readonly Uint8Array[]): string | undefined {
  const versions = files.flatMap((bytes) =>
    [
      ...Buffer.from(bytes)
        .toString("latin1")
        .matchAll(/\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)/g),
    ].map(([, major, minor]) => ({ major: Number(major), minor: Number(minor) })),
  );
  const newest = versions.toSorted((a, b) => b.major - a.major || b.minor - a.minor)[0];
  return newest === undefined ? undefined : `${newest.major}.${newest.minor}`;
}
