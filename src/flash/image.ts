import type { Buffers } from "./buffers.ts";
import type { Extent } from "./extents.ts";

/** Some bytes of an image and where they belong. `buffer` goes back to where it came from when they are not needed. */
export interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
  readonly buffer: Buffer;
}

/** A file that is an image as it is, which a disk's writer reads by itself. */
export interface PlainFile {
  readonly path: string;
  /** `DEVICE:INODE:SIZE:MTIME` of stat(2), in bytes and ns: by the time that it is opened again it may be another. */
  readonly identity: string;
}

/** An image that is read once, from its beginning to its end. */
export interface ImageSource {
  /** For people: the file's name. */
  readonly name: string;
  /** Bytes of the image, unpacked; undefined where nothing says it before the end. */
  readonly size: number | undefined;
  /** Undefined where it has to be read here: it is packed, comes by once, or is checked as a whole. */
  readonly file: PlainFile | undefined;
  /** Its first bytes, at most so many. May be asked for once, before {@link pieces}. */
  head(bytes: number): Promise<Buffer>;
  /**
   * The bytes of extents, which ascend, in pieces (see inPieces); they end where the image does. `size`: what it has to have
   * in all, where something else than the image says it.
   * Throws RTK_FLASH_DAMAGED, and RTK_FLASH_CHECKSUM at the end.
   */
  pieces(extents: readonly Extent[], buffers: Buffers, size?: number): AsyncGenerator<Piece>;
  /** How much was read, from 0 to 1; undefined where nobody knows. */
  progress(): number | undefined;
  close(): Promise<void>;
}
