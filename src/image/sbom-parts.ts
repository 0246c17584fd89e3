import type { BundledPackage } from "../bundle/dependencies.ts";
import type { Runtime } from "../config/model.ts";
import type { InstalledPackage } from "../rootfs/dpkg-status.ts";
import type { Component } from "./cyclonedx.ts";
import { packageUrl } from "./purl.ts";
import type { FileFacts, NodeFacts, NodejsFacts, SbomFacts } from "./sbom-facts.ts";

/** A component, and for it and each component inside what it needs, by reference. */
export interface SbomPart {
  readonly component: Component;
  readonly needs: readonly (readonly [ref: string, needed: readonly string[]])[];
}

/** Package URLs, which are the references too, by the package's name. */
export type DebianPurls = ReadonlyMap<string, string>;

/** What runs nodes, by reference. */
export type Interpreters = Readonly<Partial<Record<Runtime, string | undefined>>>;

/**
 * Package URLs of Debian packages. `upstream` names the source package where it is another, which is what Debian's
 * security tracker goes by; the purl specification leaves it to tools, and this is how Syft and Grype write it.
 */
export function debianPurls(packages: readonly InstalledPackage[], suite: string): DebianPurls {
  return new Map(
    packages.map(({ name, version, architecture, source, sourceVersion }) => {
      const other = source === undefined && sourceVersion === undefined ? undefined : (source ?? name);
      const upstream = sourceVersion === undefined ? other : `${other}@${sourceVersion}`;
      const qualifiers = { arch: architecture, distro: suite, upstream };
      return [name, packageUrl({ type: "deb", namespace: "debian", name, version, qualifiers })];
    }),
  );
}

/** Debian itself. The only component of its type: Trivy takes the distribution from there, and only from one. */
export function systemPart({ id, version }: SbomFacts["system"], purls: DebianPurls): SbomPart {
  const component: Component = { type: "operating-system", "bom-ref": "system", name: id, version };
  return { component, needs: [["system", [...purls.values()]]] };
}

/** One Debian package. */
export function packagePart(item: InstalledPackage, purls: DebianPurls): SbomPart {
  const { name, version, depends, licences, sha256 } = item;
  const purl = purls.get(name) ?? name;
  return {
    component: {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      hashes: sha256 === undefined ? undefined : sha256Hash(sha256),
      licenses: licences?.map((licence) => declared(licence)),
      purl,
    },
    needs: [[purl, packageRefs(depends, purls)]],
  };
}

/** The kernel that runs, and which of the packages it is from, or what it was compiled from. */
export function kernelPart(
  { release, sha256, compiled }: SbomFacts["kernel"],
  purls: DebianPurls,
  suite: string,
): SbomPart {
  const { component, needs } = filePart(
    "file",
    {
      path: `/boot/vmlinuz-${release}`,
      sha256,
      version: release,
      ...(compiled === null ? { package: `linux-image-${release}` } : {}),
    },
    purls,
  );
  const upstream = /^\d+(?:\.\d+)*/.exec(release)?.[0] ?? "*";
  const source = compiled?.source ?? null;
  return {
    component: {
      ...component,
      description: "The running kernel",
      cpe: `cpe:2.3:o:linux:linux_kernel:${upstream}:*:*:*:*:*:*:*`,
      pedigree: source === null ? undefined : { ancestors: [kernelSource(source, suite)] },
      properties: compiled?.patches.map((hash) => ({ name: "rtkit:patch", value: `sha256:${hash}` })),
    },
    needs,
  };
}

/** Debian's source package of the kernel, by which its security tracker goes. */
function kernelSource(version: string, suite: string): Component {
  const qualifiers = { arch: "source", distro: suite };
  const purl = packageUrl({ type: "deb", namespace: "debian", name: "linux", version, qualifiers });
  return { type: "library", "bom-ref": purl, name: "linux", version, purl };
}

/** The official build of Node.js. Advisories name it by its CPE, and the npm package by its purl. */
export function nodejsPart({ name, version, sha512, licence, depends }: NodejsFacts, purls: DebianPurls): SbomPart {
  const purl = packageUrl({ type: "npm", name, version });
  return {
    component: {
      type: "application",
      "bom-ref": purl,
      name,
      version,
      description: "The official build of Node.js",
      hashes: [{ alg: "SHA-512", content: sha512 }],
      licenses: licence === null ? undefined : [declared(licence)],
      cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
      purl,
    },
    needs: [[purl, packageRefs(depends, purls)]],
  };
}

/** A file of the image. */
export function filePart(type: "file" | "firmware", file: FileFacts, purls: DebianPurls): SbomPart {
  const ref = `file:${file.path}`;
  const component: Component = {
    type,
    "bom-ref": ref,
    name: file.path,
    version: file.version ?? undefined,
    hashes: sha256Hash(file.sha256),
  };
  return { component, needs: [[ref, packageRefs(file.package === undefined ? [] : [file.package], purls)]] };
}

/** A node's bundle, and what is in it. `rtkit` is the version of the SDK. */
export function nodePart(node: NodeFacts, interpreters: Interpreters, rtkit: string): SbomPart {
  const ref = `node:${node.name}`;
  const { packages, direct } = node.dependencies ?? { packages: [], direct: [] };
  const refs = packages.map(
    ({ kind, name, version }) => `${ref}/${kind}/${name}${version === null ? "" : `@${version}`}`,
  );
  const chosen = (indices: readonly number[]): string[] => indices.flatMap((index) => refs[index] ?? []);
  const interpreter = interpreters[node.runtime];
  const component: Component = {
    type: "application",
    "bom-ref": ref,
    name: node.name,
    hashes: sha256Hash(node.sha256),
    components: packages.map((item, index) => bundledPackage(item, refs[index] ?? "", rtkit)),
    properties: [
      { name: "rtkit:path", value: node.path },
      { name: "rtkit:runtime", value: node.runtime },
    ],
  };
  return {
    component,
    needs: [
      [ref, [...chosen(direct), ...(interpreter === undefined ? [] : [interpreter])]],
      ...packages.map(({ requires }, index): [string, string[]] => [refs[index] ?? "", chosen(requires)]),
    ],
  };
}

/** The hashes of a component of which one is known. */
export function sha256Hash(content: string): Component["hashes"] {
  return [{ alg: "SHA-256", content }];
}

function bundledPackage({ kind, name, version, licence }: BundledPackage, ref: string, rtkit: string): Component {
  const base = {
    type: "library",
    "bom-ref": ref,
    licenses: licence === null ? undefined : [declared(licence)],
  } as const;
  switch (kind) {
    case "npm": {
      const [, group, own = name] = /^(?:(@[^/]+)\/)?(.*)$/.exec(name) ?? [];
      const purl = packageUrl({
        type: "npm",
        ...(group === undefined ? {} : { namespace: group }),
        name: own,
        version,
      });
      return { ...base, group, name: own, version: version ?? undefined, purl };
    }
    case "pypi":
      return { ...base, name, version: version ?? undefined, purl: packageUrl({ type: "pypi", name, version }) };
    case "vendored":
      return { ...base, name, description: "A vendored Python module that says nothing of its origin" };
    case "sdk":
      return { ...base, name, version: rtkit, description: "rtkit's SDK" };
  }
}

function packageRefs(names: readonly string[], purls: DebianPurls): string[] {
  return names.flatMap((name) => purls.get(name) ?? []);
}

function declared(name: string): { license: { name: string; acknowledgement: "declared" } } {
  return { license: { name, acknowledgement: "declared" } };
}
