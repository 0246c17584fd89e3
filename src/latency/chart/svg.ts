/** Text as it may stand in XML and HTML, attributes too. */
export function escape(words: string): string {
  return words
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element of SVG; attributes are escaped, children are not: they are elements, or {@link escape}d text. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const words = Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [` ${key}="${typeof value === "number" ? round(value) : escape(value)}"`];
  });
  const start = `<${name}${words.join("")}`;
  return children.length === 0 ? `${start}/>` : `${start}>${children.join("")}</${name}>`;
}

/** Text at a place. */
export function text(x: number, y: number, words: string, attributes: Attributes = {}): string {
  return element("text", { x, y, ...attributes }, escape(words));
}

/** A tenth of a pixel is enough, and keeps files short. */
export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
