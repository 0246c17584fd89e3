import type { Component, CycloneDx } from "./cyclonedx.ts";
import { uuidOf } from "./identity.ts";
import type { SbomFacts } from "./sbom-facts.ts";
import {
  debianPurls,
  filePart,
  kernelPart,
  nodejsPart,
  nodePart,
  packagePart,
  sha256Hash,
  systemPart,
  type SbomPart,
} from "./sbom-parts.ts";

const IMAGE = "image";

/** The image's software bill of materials. The same facts in another order give the same document. */
export function makeSbom(facts: SbomFacts): CycloneDx {
  const purls = debianPurls(facts.packages, facts.system.suite);
  const nodejs = facts.nodejs === null ? [] : [nodejsPart(facts.nodejs, purls)];
  const interpreters = {
    python: purls.get("python3"),
    typescript: nodejs[0]?.component["bom-ref"] ?? purls.get("nodejs"),
  };
  const nodes = facts.nodes.map((node) => nodePart(node, interpreters, facts.rtkit));
  const files = [
    ...facts.firmware.map((file) => filePart("firmware", file, purls)),
    ...facts.programs.map((file) => filePart("file", file, purls)),
  ];
  const inImage = [
    systemPart(facts.system, purls),
    kernelPart(facts.kernel, purls, facts.system.suite),
    ...files,
    ...nodejs,
    ...nodes,
  ];
  const parts = [...inImage, ...facts.packages.map((item) => packagePart(item, purls))];
  const component: Component = {
    type: "firmware",
    "bom-ref": IMAGE,
    name: facts.image.name,
    version: facts.image.release,
    hashes: sha256Hash(facts.image.sha256),
  };
  const needs: SbomPart["needs"] = [
    [IMAGE, inImage.map((part) => part.component["bom-ref"])],
    ...parts.flatMap((part) => part.needs),
  ];
  // Machine code that may have libraries linked into it which nothing names.
  const opaque = [...files, ...nodejs, ...nodes.filter((_, index) => facts.nodes[index]?.dependencies === null)]
    .map((part) => part.component["bom-ref"])
    .toSorted(compareText);
  const content: Omit<CycloneDx, "serialNumber"> = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(facts.sourceDateEpoch * 1000).toISOString(),
      lifecycles: [{ phase: "build" }],
      tools: { components: [{ type: "application", name: "rtkit", version: facts.rtkit, "bom-ref": "rtkit" }] },
      component,
    },
    components: parts.map((part) => part.component).toSorted((a, b) => compareText(a["bom-ref"], b["bom-ref"])),
    dependencies: needs
      .map(([ref, list]) => ({ ref, dependsOn: [...new Set(list)].toSorted(compareText) }))
      .toSorted((a, b) => compareText(a.ref, b.ref)),
    compositions: opaque.length === 0 ? [] : [{ aggregate: "unknown", assemblies: opaque }],
  };
  // The name of a document is made of what it says: no two builds of the same thing differ in it.
  return { ...content, serialNumber: `urn:uuid:${uuidOf(JSON.stringify(content))}` };
}

/** An SBOM as the text of sbom.cdx.json. Members that are undefined are left out. */
export function printSbom(sbom: CycloneDx): string {
  return `${JSON.stringify(sbom, null, 2)}\n`;
}

/** By code units: an order by locale would depend on the host's. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
