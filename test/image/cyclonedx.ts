import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import type { Component, CycloneDx } from "../../src/image/cyclonedx.ts";

const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);

/** What the official schema of CycloneDX 1.6, which allows no member that it does not know, says against a document. */
export async function schemaErrors(text: string): Promise<unknown> {
  return validator.validate(text);
}

/** All components of a document, the image and nested ones included. */
export function componentsOf({ metadata, components }: CycloneDx): Component[] {
  const withInner = (list: readonly Component[]): Component[] =>
    list.flatMap((component) => [component, ...withInner(component.components ?? [])]);
  return [metadata.component, ...withInner(components)];
}

/** The references that a component's dependencies name. */
export function needsOf({ dependencies }: CycloneDx, ref: string): readonly string[] | undefined {
  return dependencies.find((dependency) => dependency.ref === ref)?.dependsOn;
}
