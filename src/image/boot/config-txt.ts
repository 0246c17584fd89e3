/** One setting of a config.txt. */
export interface ConfigSetting {
  readonly key: string;
  readonly value: string;
  /** Counted from 1. */
  readonly line: number;
}

/** Settings of a config.txt in order, comments and conditional filters (`[pi4]`) left out. */
export function parseConfigTxt(text: string): ConfigSetting[] {
  return text.split("\n").flatMap((raw, index) => {
    const line = raw.trim();
    // "initramfs" and "include" alone take no equals sign.
    const match = /^(initramfs|include)\s+(.+)$/.exec(line) ?? /^([^#[=\s][^=]*?)\s*=\s*(.*)$/.exec(line);
    return match === null ? [] : [{ key: match[1] ?? "", value: match[2] ?? "", line: index + 1 }];
  });
}

/** The last value that a config.txt gives a key, or undefined. */
export function configValue(settings: readonly ConfigSetting[], key: string): string | undefined {
  return settings.findLast((setting) => setting.key === key)?.value;
}
