import type { ProjectFacts } from "../facts.ts";
import type { Report } from "../report.ts";
import { quote } from "../values.ts";

/** RTK_CONFIG_OVERLAY: each of the project's overlays is a folder with an overlay.yaml, and named once. */
export function overlays(names: readonly string[], facts: ProjectFacts["overlays"], report: Report): void {
  for (const [index, { folder, description }] of facts.entries()) {
    const path = ["image", "overlays", index];
    const shown = quote(names[index]);
    if (folder.kind !== "folder") {
      const what = folder.kind === "missing" ? `there is no folder ${shown}` : `${shown} is not a folder`;
      report.error("RTK_CONFIG_OVERLAY", path, what, "paths are relative to rtkit.yaml");
    } else if (description.kind !== "file") {
      const hint = "add one with a description: line, and the files below rootfs/";
      report.error("RTK_CONFIG_OVERLAY", path, `${shown} has no overlay.yaml`, hint);
    } else if (facts.findIndex((other) => other.folder.path === folder.path) < index) {
      report.error("RTK_CONFIG_OVERLAY", path, `${shown} stands here a second time`, "remove one of them");
    }
  }
}
