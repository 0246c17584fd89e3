import { join } from "node:path";
import { rtkitRoot } from "../../core/paths.ts";
import { digestFile, digestOf } from "../digest.ts";
import { treeDigest } from "../entry.ts";
import { describeTree } from "../tree.ts";

/**
 * The digest of rtkit itself, where it runs from its source: two checkouts with one version number may do a step in two
 * ways, and must not share. Elsewhere the version, which is in every key, says it all, and this is empty.
 */
export async function programDigest(): Promise<string> {
  const source = await describeTree(join(rtkitRoot, "src")).catch(() => undefined);
  if (source === undefined) return "";
  const own = Object.entries(source).filter(([path]) => !path.split("/").includes("__pycache__"));
  const dependencies = await digestFile(join(rtkitRoot, "package-lock.json")).catch(() => "");
  return digestOf({ source: treeDigest(Object.fromEntries(own)), dependencies });
}
