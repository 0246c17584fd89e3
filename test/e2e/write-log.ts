import { chmodSync, openSync, readSync, closeSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../../src/core/programs.ts";

/** What QEMU's blklogwrites driver recorded of one request to a disk, in the order of their completion. */
export interface LoggedRequest {
  /** Bytes. */
  readonly start: number;
  readonly length: number;
  /** All that was completed before it is on the disk; what comes after it may be lost when the power goes. */
  readonly flush: boolean;
  /** Where its content is in the log; null for a request without any. */
  readonly content: number | null;
  /** Where the log goes on. */
  readonly end: number;
}

/** The head of the log and of each entry, from Linux's drivers/md/dm-log-writes.c; numbers are little-endian. */
const MAGIC = 0x6a736677736872n;
const FLAG_FLUSH = 1n;
const FLAG_DISCARD = 4n;

/**
 * A folder with a QEMU of the same name that logs what its first disk is told to write; put it first in PATH. Only for
 * machines that keep their writes (`rtkit run --disk`).
 */
export function recordingQemu(dir: string, program: string, log: string): void {
  const real = findProgram(program);
  if (real === undefined) throw new Error(`there is no ${program}: run scripts/setup --tests`);
  const disk = ["driver=blklogwrites", "file.driver=raw", "file.file.driver=file", "file.file.filename=$file"];
  const text = `#!/bin/sh
for word; do
    shift
    case $word in
    file=*,format=raw,if=none,id=disk0,*)
        file=\${word#file=} file=\${file%%,format=raw*}
        word="${disk.join(",")},log.driver=file,log.filename=${log},if=none,id=disk0"
        ;;
    esac
    set -- "$@" "$word"
done
exec ${real} "$@"
`;
  writeFileSync(join(dir, program), text);
  chmodSync(join(dir, program), 0o755);
  writeFileSync(log, "");
}

/** Reads a log, also one that is still being written. */
export function readWriteLog(log: string): LoggedRequest[] {
  const file = openSync(log, "r");
  try {
    const head = read(file, 0, 28);
    if (head.readBigUInt64LE(0) !== MAGIC) throw new Error(`${log} is no log of writes`);
    const sector = head.readUInt32LE(24);
    const { size } = statSync(log);
    const requests: LoggedRequest[] = [];
    for (let at = sector; at + sector <= size;) {
      const entry = read(file, at, 24);
      const flags = entry.readBigUInt64LE(16);
      const length = Number(entry.readBigUInt64LE(8)) * sector;
      const hasContent = length > 0 && (flags & FLAG_DISCARD) === 0n;
      const content = hasContent ? at + sector : null;
      const end = at + sector + (hasContent ? length : 0);
      if (end > size) break;
      const start = Number(entry.readBigUInt64LE(0)) * sector;
      requests.push({ start, length, flush: (flags & FLAG_FLUSH) !== 0n, content, end });
      at = end;
    }
    return requests;
  } finally {
    closeSync(file);
  }
}

/** Writes requests to a disk, or to a part of it that lies at `offset` bytes. */
export function replay(log: string, requests: readonly LoggedRequest[], disk: string, offset = 0): void {
  const from = openSync(log, "r");
  const to = openSync(disk, "r+");
  try {
    for (const { content, length, start } of requests) {
      if (content !== null) writeSync(to, read(from, content, length), 0, length, start - offset);
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

function read(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const got = readSync(file, buffer, done, length - done, position + done);
    if (got === 0) throw new Error("the log ends in the middle of an entry");
    done += got;
  }
  return buffer;
}

/**
 * What a power cut after the first `count` requests leaves of them: all up to the last flush, and of the later ones those
 * that `keeps` says were written already, since a disk may write them in any order.
 */
export function afterCut(
  requests: readonly LoggedRequest[],
  count: number,
  keeps: (index: number) => boolean,
): LoggedRequest[] {
  const done = requests.slice(0, count);
  const flushed = done.findLastIndex(({ flush }) => flush);
  return done.filter((_, index) => index <= flushed || keeps(index));
}
