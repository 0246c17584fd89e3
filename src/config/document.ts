import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseAllDocuments, visit } from "yaml";
import type { Document, Node, Pair, ParsedNode, YAMLMap } from "yaml";
import { usageError } from "../core/errors.ts";
import type { Place, RtkitError } from "../core/errors.ts";

/** Keys and list indexes from the root of a file to one of its values. */
export type Path = readonly (string | number)[];

/** Whether a mistake is pointed at by the key it stands under, or by the value itself. */
export type Side = "key" | "value";

/** A YAML file that was read without mistakes of syntax. */
export interface SourceDocument {
  /** Plain objects, lists, strings, numbers, booleans and null. */
  readonly data: unknown;
  /**
   * The place of a value or its key; of the nearest thing above it when there is none (a key that is missing). Through
   * an alias it is the place of what the anchor stands before.
   */
  readonly place: (path: Path, side?: Side) => Place;
}

/** Either a document, or everything that keeps the text from being one. */
export type ParsedYaml =
  | { readonly document: SourceDocument }
  | { readonly document: undefined; readonly errors: readonly RtkitError[] };

/** Far more than a project needs; keeps a file given by mistake (an image, a log) from being parsed for minutes. */
const MAX_BYTES = 1024 ** 2;

/** Expansions of anchors in one file: stops "billion laughs", where each anchor repeats the one before. */
const MAX_ALIASES = 100;

/**
 * Parses one YAML 1.2 document. `file` is its name in places. Mistakes are RTK_CONFIG_YAML (of syntax; only the first,
 * since a parser stumbles over it again and again) and RTK_CONFIG_DUPLICATE_KEY (all); no message quotes values.
 */
export function parseYaml(bytes: Uint8Array, file: string): ParsedYaml {
  const start: Place = { file, line: 1, column: 1 };
  if (bytes.byteLength > MAX_BYTES) {
    return failed(yamlError("the file is larger than 1 MiB", "is this really the right file?", start));
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) return failed(yamlError("the file is not UTF-8 text", "save it as UTF-8", start));
  try {
    return parseText(text, file);
  } catch (error) {
    // Recursion in the parser: a RangeError is the end of the stack.
    if (!(error instanceof RangeError)) throw error;
    return failed(yamlError("the file nests too deeply", "remove brackets or indentation", start));
  }
}

function parseText(text: string, file: string): ParsedYaml {
  const lines = new LineCounter();
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const [document, second] = parsed as Document.Parsed<ParsedNode>[];
  if (document === undefined) return { document: { data: null, place: () => placeOf(0) } };
  if (second !== undefined) {
    const where = placeOf(second.contents?.range[0] ?? second.range[0]);
    return failed(yamlError("a second YAML document begins here", "remove the line --- and what follows it", where));
  }
  const [first] = [...document.errors, ...document.warnings].toSorted((a, b) => a.pos[0] - b.pos[0]);
  if (first !== undefined) {
    if (first.message.includes("call stack")) throw new RangeError(first.message);
    const message = `not valid YAML: ${(first.message.split("\n")[0] ?? "").replace(/\.$/, "")}`;
    return failed(yamlError(message, "check indentation, quotes and brackets here", placeOf(first.pos[0])));
  }
  const mistakes = [...keyMistakes(document, placeOf), ...aliasMistakes(document, placeOf)];
  if (mistakes.length > 0) return failed(...mistakes);
  try {
    const data: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { document: { data, place: (path, side = "value") => placeOf(offsetAt(document, path, side)) } };
  } catch (error) {
    // What yaml throws for too many expansions.
    if (!(error instanceof ReferenceError)) throw error;
    return failed(yamlError("anchors are expanded too often", "write the values out", placeOf(0)));
  }
}

function failed(...errors: RtkitError[]): ParsedYaml {
  return { document: undefined, errors };
}

function yamlError(message: string, hint: string, where: Place): RtkitError {
  return usageError("RTK_CONFIG_YAML", message, { hint, where });
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Duplicate keys (saying both lines), keys that are not plain words, and names JavaScript objects cannot carry. */
function keyMistakes(document: Document.Parsed<ParsedNode>, placeOf: (offset: number) => Place): RtkitError[] {
  const errors: RtkitError[] = [];
  visit(document, {
    Map: (_, map) => {
      const seen = new Map<string, number>();
      for (const pair of map.items) {
        const offset = offsetOf(pair.key) ?? map.range?.[0] ?? 0;
        const where = placeOf(offset);
        if (!isScalar(pair.key) || pair.key.value === null || pair.key.value === "__proto__") {
          errors.push(yamlError("not a usable key", "a key is a plain word", where));
          continue;
        }
        const key = String(pair.key.value);
        const first = seen.get(key);
        if (first === undefined) {
          seen.set(key, offset);
          continue;
        }
        const message = `the key "${key}" stands here a second time; the first is on line ${placeOf(first).line}`;
        errors.push(usageError("RTK_CONFIG_DUPLICATE_KEY", message, { hint: "rename or remove one of them", where }));
      }
    },
  });
  return errors;
}

/** Aliases without an anchor before them, and those that stand inside what they stand for. */
function aliasMistakes(document: Document.Parsed<ParsedNode>, placeOf: (offset: number) => Place): RtkitError[] {
  const errors: RtkitError[] = [];
  visit(document, {
    Alias: (_, alias, ancestors) => {
      const target = alias.resolve(document);
      const where = placeOf(alias.range?.[0] ?? 0);
      if (target === undefined) {
        const hint = `write &${alias.source} before the value it stands for, further up`;
        errors.push(yamlError(`the alias *${alias.source} has no anchor`, hint, where));
      } else if (ancestors.includes(target)) {
        errors.push(yamlError(`the alias *${alias.source} stands inside its own anchor`, "write the value out", where));
      }
    },
  });
  return errors;
}

function offsetAt(document: Document.Parsed<ParsedNode>, path: Path, side: Side): number {
  let node: Node | null = document.contents;
  let offset = offsetOf(node) ?? 0;
  for (const [depth, step] of path.entries()) {
    const container: Node | null | undefined = isAlias(node) ? node.resolve(document) : node;
    const isLast = depth === path.length - 1;
    if (isMap(container)) {
      const pair: Pair | undefined = pairOf(container, step);
      if (pair === undefined) return offset;
      const value = isNode(pair.value) ? pair.value : null;
      const keyOffset = offsetOf(pair.key) ?? offset;
      // A value that is not written at all (`key:`) has no place of its own worth pointing at.
      const written = value !== null && !(isScalar(value) && value.source === "");
      offset =
        written && !(isLast && side === "key") && (isLast || isAlias(value))
          ? (offsetOf(value) ?? keyOffset)
          : keyOffset;
      node = value;
    } else if (isSeq(container)) {
      const item: unknown = container.items[Number(step)];
      if (!isNode(item)) return offset;
      offset = offsetOf(item) ?? offset;
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}

function pairOf(map: YAMLMap, key: string | number): Pair | undefined {
  return map.items.find((pair) => isPair(pair) && isScalar(pair.key) && String(pair.key.value) === String(key));
}

function isNode(value: unknown): value is Node {
  return isMap(value) || isSeq(value) || isScalar(value) || isAlias(value);
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
