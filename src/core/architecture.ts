/** Debian's name of an architecture that rtkit knows, as board and as host. */
export type Architecture = "arm64" | "amd64";

/** All of them. */
export const ARCHITECTURES: readonly Architecture[] = ["amd64", "arm64"];

/** Debian's name of this machine's architecture, or undefined when rtkit does not know it. */
export function hostArchitecture(): Architecture | undefined {
  return process.arch === "x64" ? "amd64" : process.arch === "arm64" ? "arm64" : undefined;
}
