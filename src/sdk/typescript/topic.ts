import { constants } from "node:os";
import { addon, errorName } from "./addon.ts";
import type { Addon } from "./addon.ts";

/** The types of a record's members, and what a member of each is in memory. */
const TYPES = {
  i8: Int8Array,
  u8: Uint8Array,
  i16: Int16Array,
  u16: Uint16Array,
  i32: Int32Array,
  u32: Uint32Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;

type Elements = InstanceType<(typeof TYPES)[keyof typeof TYPES]>;

/**
 * A record's members in order: `{ "position": "f64", "torques": ["f32", 3] }`, best read from one JSON file by all nodes
 * of both languages. Types: i8, u8, i16, u16, i32, u32, f32, f64.
 */
export type RecordDescription = Readonly<Record<string, string | readonly (string | number)[]>>;

/** A record: numbers, and typed arrays where the description has a count. */
export type Message<Description extends RecordDescription> = {
  -readonly [Name in keyof Description]: Description[Name] extends string ? number : Elements;
};

/** Where a member lies in the record. */
interface Member {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  /** Undefined for a single number. */
  readonly count: number | undefined;
  readonly offset: number;
}

/** The members as a C compiler lays out a struct, and its size (topic-layout.c has the same rules). */
function layOut(record: RecordDescription): { readonly members: readonly Member[]; readonly size: number } {
  let offset = 0;
  let widest = 1;
  const members = Object.entries(record).map(([name, kind]): Member => {
    const [type, count] = typeof kind === "string" ? [kind, undefined] : kind;
    if (typeof type !== "string" || !Object.hasOwn(TYPES, type)) {
      throw new TypeError(`${name}: ${String(type)} is none of ${Object.keys(TYPES).join(", ")}`);
    }
    const known = type as keyof typeof TYPES;
    const bytes = TYPES[known].BYTES_PER_ELEMENT;
    const member = { name, type: known, count: count === undefined ? undefined : Number(count), offset: 0 };
    const place = Math.ceil(offset / bytes) * bytes;
    offset = place + bytes * (member.count ?? 1);
    widest = Math.max(widest, bytes);
    return { ...member, offset: place };
  });
  return { members, size: Math.ceil(offset / widest) * widest };
}

/** An object whose members are the record's memory. Arrays of one number each: reading one allocates nothing. */
function messageIn(buffer: ArrayBuffer, members: readonly Member[]): object {
  const message = {};
  for (const { name, type, count, offset } of members) {
    const elements = new TYPES[type](buffer, offset, count ?? 1);
    const access =
      count === undefined
        ? { get: () => elements[0], set: (value: number) => void (elements[0] = value) }
        : { value: elements };
    Object.defineProperty(message, name, { enumerable: true, ...access });
  }
  return message;
}

abstract class Topic<Description extends RecordDescription> {
  readonly name: string;
  /** The record. */
  readonly message: Message<Description>;
  protected native: Addon | undefined = addon;
  protected readonly handle: number;
  readonly #published = new Float64Array(new ArrayBuffer(Float64Array.BYTES_PER_ELEMENT));

  constructor(name: string, record: Description, role: 0 | 1) {
    this.name = name;
    const { members, size } = layOut(record);
    // An ArrayBuffer of its own: V8 moves the memory of small typed arrays that have none.
    const buffer = new ArrayBuffer(size);
    this.message = messageIn(buffer, members) as Message<Description>;
    const layout = members.map(
      ({ name: member, type, count }) => `${member}:${type}${count === undefined ? "" : `[${count}]`}`,
    );
    this.handle = addon?.topicOpen(name, layout.join(","), new Uint8Array(buffer), this.#published, role) ?? 0;
    if (this.handle < 0) throw new Error(`topic ${name}: ${explain(this.handle)}`);
  }

  /** When `message` was published: nanoseconds of CLOCK_MONOTONIC, as process.hrtime.bigint(); 0 before the first. */
  get published(): number {
    return this.#published[0] ?? 0;
  }

  /** Lets go of the topic; what was published last stays there, and what is published later reaches nobody. */
  close(): void {
    this.native?.topicClose(this.handle);
    this.native = undefined;
  }
}

function explain(result: number): string {
  if (result === -constants.errno.EBUSY) return "another node publishes it already";
  if (result === -constants.errno.EPROTO) return "a running node has it with other members";
  return errorName(result);
}

/** The one node that says what is the latest: it sets the members of `message`, and calls `publish`. */
export class Publisher<Description extends RecordDescription> extends Topic<Description> {
  constructor(name: string, record: Description) {
    super(name, record, 1);
  }

  /** Makes `message` the latest. No system call, no waiting, no allocation. 0. */
  publish(): number {
    return this.native === undefined ? 0 : this.native.publish(this.handle);
  }
}

/** Sees the latest record of a topic in `message`, after `receive`. Nothing is lost by whoever is slow but the past. */
export class Subscriber<Description extends RecordDescription> extends Topic<Description> {
  constructor(name: string, record: Description) {
    super(name, record, 0);
  }

  /** 1: `message` is another one than the last time; 0: the same; -ENODATA: nobody has published yet. */
  receive(): number {
    return this.native === undefined ? -constants.errno.ENODATA : this.native.receive(this.handle);
  }
}
