import type { FileFact, KernelFacts } from "../facts.ts";
import type { PartialProjectInput } from "../project-schema.ts";
import type { Report } from "../report.ts";
import { suggestion } from "../suggest.ts";
import { quote } from "../values.ts";

/** RTK_CONFIG_KERNEL: the section's files are there, each named once, and patches have a source to be applied to. */
export function kernel(
  section: NonNullable<PartialProjectInput["kernel"]>,
  { source, fragments, patches, known }: KernelFacts,
  report: Report,
): void {
  if (source !== null) sourceTree(section.source, source, report);
  for (const [index, item] of (section.fragments ?? []).entries()) {
    const path = ["kernel", "fragments", index];
    const fact = fragments.get(index);
    if (fact !== undefined) isFile(item, fact, path, report);
    else if (!known.includes(item)) {
      const hint = `${suggestion(item, known, "fragments")}; a file of yours is written with its folder: ./${item}`;
      report.error("RTK_CONFIG_KERNEL", path, `there is no fragment ${quote(item)}`, hint);
    }
    once(section.fragments, index, path, report);
  }
  for (const [index, fact] of patches.entries()) {
    isFile(section.patches?.[index], fact, ["kernel", "patches", index], report);
    once(section.patches, index, ["kernel", "patches", index], report);
  }
  if (patches.length > 0 && section.source === undefined) {
    const hint = "add source: debian, or remove the patches";
    report.error(
      "RTK_CONFIG_KERNEL",
      ["kernel", "patches"],
      "a kernel that is not compiled takes no patches",
      hint,
      "key",
    );
  }
}

function sourceTree(
  name: string | undefined,
  { folder, kconfig }: NonNullable<KernelFacts["source"]>,
  report: Report,
): void {
  const path = ["kernel", "source"];
  if (folder.kind !== "folder") {
    const what = folder.kind === "missing" ? `there is no folder ${quote(name)}` : `${quote(name)} is not a folder`;
    report.error("RTK_CONFIG_KERNEL", path, what, "write debian, or the folder of a kernel's source tree");
  } else if (kconfig.kind !== "file") {
    const hint = "name the folder that has the kernel's Makefile and Kconfig";
    report.error("RTK_CONFIG_KERNEL", path, `${quote(name)} is not a kernel's source tree`, hint);
  }
}

function isFile(name: string | undefined, fact: FileFact, path: readonly (string | number)[], report: Report): void {
  if (fact.kind === "file") return;
  const what = fact.kind === "missing" ? `there is no file ${quote(name)}` : `${quote(name)} is not a file`;
  report.error("RTK_CONFIG_KERNEL", path, what, "paths are relative to rtkit.yaml");
}

function once(
  items: readonly string[] | undefined,
  index: number,
  path: readonly (string | number)[],
  report: Report,
): void {
  const item = items?.[index];
  if (item === undefined || items?.indexOf(item) === index) return;
  report.error("RTK_CONFIG_KERNEL", path, `${quote(item)} stands here a second time`, "remove one of them");
}
