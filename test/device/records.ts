import * as fc from "fast-check";

/** A type of a record's member, and what it is in C. */
export const TYPES = {
  i8: "int8_t",
  u8: "uint8_t",
  i16: "int16_t",
  u16: "uint16_t",
  i32: "int32_t",
  u32: "uint32_t",
  f32: "float",
  f64: "double",
} as const;

export type Type = keyof typeof TYPES;

/** A record as both SDKs are told of it: types by name, with a count for arrays. */
export type RecordText = Readonly<Record<string, Type | readonly [Type, number]>>;

const type = fc.constantFrom(...(Object.keys(TYPES) as Type[]));

/** Records of up to twelve members, some of them arrays. */
export const records: fc.Arbitrary<RecordText> = fc
  .array(fc.oneof(type, fc.tuple(type, fc.integer({ min: 1, max: 9 }))), { minLength: 1, maxLength: 12 })
  .map((members) => Object.fromEntries(members.map((member, index) => [`m${index}`, member])));

/** The record's layout as librtnode is told (rtnode.h). */
export function layoutText(record: RecordText): string {
  return Object.entries(record)
    .map(([name, kind]) => (typeof kind === "string" ? `${name}:${kind}` : `${name}:${kind[0]}[${kind[1]}]`))
    .join(",");
}

/** The members of a struct in C. */
export function structText(record: RecordText): string {
  return Object.entries(record)
    .map(([name, kind]) =>
      typeof kind === "string" ? `${TYPES[kind]} ${name};` : `${TYPES[kind[0]]} ${name}[${kind[1]}];`,
    )
    .join(" ");
}

/** The numbers that a member of a record holds. */
export function countOf(kind: RecordText[string]): number {
  return typeof kind === "string" ? 1 : kind[1];
}

/** The type of a member. */
export function typeOf(kind: RecordText[string]): Type {
  return typeof kind === "string" ? kind : kind[0];
}
