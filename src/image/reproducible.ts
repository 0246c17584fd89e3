/**
 * The time written wherever an artifact needs one, in seconds since 1970: 2025-08-09, the day of Debian 13's release.
 * It lies in the past of every kernel that boots the image, so no file system check meets a time in the future.
 */
export const IMAGE_TIME = 1_754_697_600;

/**
 * Environment for tools that write images: SOURCE_DATE_EPOCH is read by mke2fs (since 1.47.1) and mtools (since
 * 4.0.19); TZ matters because FAT keeps local time.
 */
export const reproducibleEnv: Readonly<Record<string, string>> = {
  SOURCE_DATE_EPOCH: String(IMAGE_TIME),
  TZ: "UTC",
};
