import * as z from "zod";
import { boardSchema } from "./board-schema.ts";
import { projectSchema } from "./project-schema.ts";

/** The part of JSON Schema (draft 2020-12) that zod writes for our files. */
export interface JsonSchema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly pattern?: string;
}

/** JSON Schema of rtkit.yaml, for editors: what a user writes, before normalising. */
export function projectJsonSchema(): JsonSchema {
  return { title: "rtkit project", ...toJsonSchema(projectSchema) };
}

/** JSON Schema of a board file. */
export function boardJsonSchema(): JsonSchema {
  return { title: "rtkit board", ...toJsonSchema(boardSchema) };
}

/** The JSON Schema of what goes into a schema. */
export function toJsonSchema(schema: z.ZodType): JsonSchema {
  // zod's own type is the whole of JSON Schema, booleans included; our schemas stay within the part above.
  return z.toJSONSchema(schema, { io: "input" }) as JsonSchema;
}
