import { expect, it } from "vitest";
import { writingFailed } from "../../src/flash/failures.ts";

it("every error of a disk has words, a code and a remedy", () => {
  const codes: Record<string, string> = {
    EBUSY: "RTK_FLASH_BUSY",
    EROFS: "RTK_FLASH_READ_ONLY",
    EACCES: "RTK_FLASH_NOT_ROOT",
    EPERM: "RTK_FLASH_NOT_ROOT",
    ENOSPC: "RTK_FLASH_FALSE_SIZE",
    ENODATA: "RTK_FLASH_FALSE_SIZE",
    ENODEV: "RTK_FLASH_GONE",
    ENOMEDIUM: "RTK_FLASH_GONE",
    EIO: "RTK_FLASH_IO",
    EREMOTEIO: "RTK_FLASH_IO",
  };
  for (const [errno, code] of Object.entries(codes)) {
    expect(writingFailed("/dev/sda", errno, 4096, true), errno).toMatchObject({
      code,
      message: expect.stringContaining("/dev/sda"),
      hint: expect.stringMatching(/\w/),
    });
  }
});

it("whatever the error, a disk that is not there any more is gone", () => {
  expect(writingFailed("/dev/sda", "EIO", 4096, false).code).toBe("RTK_FLASH_GONE");
});

it("the place is named where there is one", () => {
  expect(writingFailed("/dev/sda", "EIO", 6_291_456, true).message).toBe(
    "/dev/sda failed at byte 6291456 (6.0 MiB): EIO",
  );
  expect(writingFailed("/dev/sda", "EIO", null, true).message).toBe("/dev/sda failed: EIO");
});
