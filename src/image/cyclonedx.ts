/**
 * The members of CycloneDX 1.6 that rtkit writes (https://cyclonedx.org/docs/1.6/json/). Members that are undefined
 * are left out.
 */
export interface CycloneDx {
  readonly $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json";
  readonly bomFormat: "CycloneDX";
  readonly specVersion: "1.6";
  /** `urn:uuid:…` */
  readonly serialNumber: string;
  readonly version: 1;
  readonly metadata: {
    /** ISO 8601, in UTC. */
    readonly timestamp: string;
    readonly lifecycles: readonly { readonly phase: "build" }[];
    readonly tools: { readonly components: readonly Component[] };
    readonly component: Component;
  };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependency[];
  readonly compositions: readonly Composition[];
}

/** A piece of software, by a reference that is unique in its document. */
export interface Component {
  readonly type: "application" | "file" | "firmware" | "library" | "operating-system";
  readonly "bom-ref": string;
  /** What comes before the name: npm's scope. */
  readonly group?: string | undefined;
  readonly name: string;
  readonly version?: string | undefined;
  readonly description?: string | undefined;
  readonly hashes?: readonly { readonly alg: "SHA-256" | "SHA-512"; readonly content: string }[] | undefined;
  readonly licenses?: readonly DeclaredLicence[] | undefined;
  readonly cpe?: string | undefined;
  readonly purl?: string | undefined;
  /** What it consists of. */
  readonly components?: readonly Component[] | undefined;
  /** What it was made from. */
  readonly pedigree?: { readonly ancestors: readonly Component[] } | undefined;
  readonly properties?: readonly { readonly name: string; readonly value: string }[] | undefined;
}

/** A licence under the name that the package's own metadata has for it. */
interface DeclaredLicence {
  readonly license: { readonly name: string; readonly acknowledgement: "declared" };
}

/** What one component needs. Those that need nothing have one, too: else nothing would be known of them. */
interface Dependency {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

/** How much is known of what components consist of. */
interface Composition {
  readonly aggregate: "unknown";
  readonly assemblies: readonly string[];
}
