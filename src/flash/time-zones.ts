/** The folders of Debian's tzdata; US, Brazil and their like are in tzdata-legacy, which images do not have. */
const AREAS: ReadonlySet<string> = new Set(
  "Africa America Antarctica Arctic Asia Atlantic Australia Etc Europe Indian Pacific".split(" "),
);

/**
 * Names that JavaScript still prefers and Debian's tzdata no longer has, with those of today (the tz database's file
 * `backward`): every name that Intl lists and tzdata 2026f of trixie lacks.
 */
const RENAMED: Readonly<Record<string, string>> = {
  "Africa/Asmera": "Africa/Asmara",
  "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
  "America/Catamarca": "America/Argentina/Catamarca",
  "America/Cordoba": "America/Argentina/Cordoba",
  "America/Godthab": "America/Nuuk",
  "America/Indianapolis": "America/Indiana/Indianapolis",
  "America/Jujuy": "America/Argentina/Jujuy",
  "America/Louisville": "America/Kentucky/Louisville",
  "America/Mendoza": "America/Argentina/Mendoza",
  "Asia/Calcutta": "Asia/Kolkata",
  "Asia/Katmandu": "Asia/Kathmandu",
  "Asia/Rangoon": "Asia/Yangon",
  "Asia/Saigon": "Asia/Ho_Chi_Minh",
  "Atlantic/Faeroe": "Atlantic/Faroe",
  "Europe/Kiev": "Europe/Kyiv",
  "Pacific/Enderbury": "Pacific/Kanton",
  "Pacific/Ponape": "Pacific/Pohnpei",
  "Pacific/Truk": "Pacific/Chuuk",
};

/** The name that a board's tzdata has for a zone, whatever case it is written in; undefined where there is none. */
export function findTimeZone(asked: string): string | undefined {
  const lower = asked.toLowerCase();
  const known = ["UTC", ...Intl.supportedValuesOf("timeZone"), ...Object.values(RENAMED)];
  const spelled = known.find((zone) => zone.toLowerCase() === lower);
  if (spelled !== undefined) return RENAMED[spelled] ?? spelled;
  // Names that mean the same as one that is listed.
  const [area = "", ...places] = asked.split("/");
  const isName = AREAS.has(area) && places.length > 0 && /^[A-Za-z0-9/_+-]+$/.test(asked);
  return isName && isZone(asked) ? asked : undefined;
}

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).format(0) !== "";
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
