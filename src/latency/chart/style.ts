/** Colours by name. Series are told apart by people who do not see all colours (after Okabe and Ito). */
const LIGHT = {
  page: "#f6f6f4",
  card: "#ffffff",
  ink: "#1c2024",
  muted: "#5c636b",
  rule: "#e3e3de",
  platform: "#8b949e",
  series0: "#0068a8",
  series1: "#c8501a",
  series2: "#00805c",
  series3: "#a0428f",
  series4: "#8f6b00",
  series5: "#3b7fae",
  met: "#14754a",
  metBack: "#e6f4ec",
  missed: "#bb2a2a",
  missedBack: "#fcebea",
  unproven: "#835c00",
  unprovenBack: "#fcf3dc",
} as const;

type ColourName = keyof typeof LIGHT;
type Palette = Readonly<Record<ColourName, string>>;

const DARK: Palette = {
  page: "#101214",
  card: "#191c1f",
  ink: "#eceef0",
  muted: "#a0a7ae",
  rule: "#2f353a",
  platform: "#8b949e",
  series0: "#5db3f3",
  series1: "#ff9460",
  series2: "#41cf9f",
  series3: "#e394d2",
  series4: "#e6b84a",
  series5: "#9bd3fa",
  met: "#52cf95",
  metBack: "#11281c",
  missed: "#ff8d8a",
  missedBack: "#331718",
  unproven: "#efc35a",
  unprovenBack: "#2b230d",
};

/** How many series have a colour of their own. */
const SERIES = 6;

/** The class of a series' lines and marks; there are {@link SERIES}, and then they come again. */
export function seriesClass(index: number): string {
  return `series${index % SERIES}`;
}

/** How charts look, in terms of variables. Each rule names an element of SVG, so that it means nothing else of a page. */
const RULES = [
  "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:13px;fill:var(--muted)}",
  "text.strong{fill:var(--ink);font-weight:600}",
  "text.title{fill:var(--ink);font-size:24px;font-weight:700}",
  "text.met{fill:var(--met)}text.missed{fill:var(--missed)}text.unproven{fill:var(--unproven)}",
  "rect.page{fill:var(--card)}",
  "line.grid{stroke:var(--rule);stroke-width:1}",
  "line.axis{stroke:var(--muted);stroke-width:1}",
  "path.area{stroke:none;fill-opacity:.3}",
  "path.line{fill:none;stroke-width:1.8;stroke-linejoin:round}",
  "path.earlier{fill:none;stroke:var(--ink);stroke-width:1.3;stroke-dasharray:2 3}",
  "line.limit{stroke:var(--missed);stroke-width:1.5;stroke-dasharray:6 4}",
  "line.mark{stroke:var(--ink);stroke-width:1;stroke-dasharray:1 3}",
  "path.bad{fill:var(--missed)}",
  "rect.band{fill:var(--unprovenBack)}",
  ...["platform", ...Array.from({ length: SERIES }, (_, index) => `series${index}`)].map(
    (name) =>
      `path.area.${name},circle.${name},rect.${name}{fill:var(--${name})}path.line.${name}{stroke:var(--${name})}`,
  ),
];

/** For a page that declares the variables. */
export const CHART_CSS: string = RULES.join("\n");

/** For an SVG that stands alone: colours in place of variables, which not every reader of SVG knows. */
export const STANDALONE_CSS: string = CHART_CSS.replaceAll(
  /var\(--(\w+)\)/g,
  (_, name: string) => LIGHT[name as ColourName],
);

/** The variables of a page: light, dark where the reader likes that, and light on paper. */
export const VARIABLES: string = [
  `:root{color-scheme:light dark;${declare(LIGHT)}}`,
  `@media screen and (prefers-color-scheme:dark){:root{${declare(DARK)}}}`,
].join("\n");

function declare(palette: Palette): string {
  return Object.entries(palette)
    .map(([name, colour]) => `--${name}:${colour}`)
    .join(";");
}
