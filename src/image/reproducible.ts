import { SOURCE_DATE_EPOCH } from "../rootfs/mmdebstrap.ts";

/**
 * Environment for tools that write images: SOURCE_DATE_EPOCH is read by mke2fs (since 1.47.1) and mtools (since
 * 4.0.19); TZ matters because FAT keeps local time. The time lies in the past of every kernel that boots the image, so
 * no file system check meets one in the future.
 */
export const reproducibleEnv: Readonly<Record<string, string>> = {
  SOURCE_DATE_EPOCH: String(SOURCE_DATE_EPOCH),
  TZ: "UTC",
};
