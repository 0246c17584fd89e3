import { CHART_CSS, VARIABLES } from "../chart/style.ts";

/** The page's whole style: no font, image or script comes from elsewhere. */
export const PAGE_CSS = `${VARIABLES}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1160px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:1.05rem;font-weight:600;margin:0;color:var(--muted);letter-spacing:.01em}
h2{font-size:1.3rem;line-height:1.3;margin:48px 0 4px}
h3{font-size:1.05rem;margin:0 0 8px}
p{margin:4px 0 12px;max-width:76ch}
.note,figcaption,caption{color:var(--muted);font-size:.9rem}
figure{margin:0}
figcaption{margin-bottom:8px}
caption{text-align:left;padding:12px 0 6px}
.limits caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
svg{display:block;width:100%;height:auto}
code,pre{font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:.85rem;overflow-wrap:anywhere}
pre{overflow-x:auto;overflow-wrap:normal;margin:12px 0 0;padding:12px;background:var(--page);border-radius:8px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:20px;margin-top:16px;min-width:0}
.verdict{border-radius:14px;padding:20px 24px;margin:12px 0 16px;background:var(--card);border:1px solid var(--rule);border-left-width:6px}
.verdict strong{display:block;font-size:1.55rem;line-height:1.3;text-wrap:balance}
.verdict.met{background:var(--metBack);border-color:var(--met)}
.verdict.missed{background:var(--missedBack);border-color:var(--missed)}
.verdict.unproven{background:var(--unprovenBack);border-color:var(--unproven)}
.verdict ul{margin:10px 0 0;padding-left:20px}
.facts{margin:0 0 16px;color:var(--muted)}
.tiles,.pair{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,230px),1fr))}
.pair{grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr))}
.tile{margin:0}
.tile b{display:block;font-size:1.7rem;line-height:1.25}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:right;padding:6px 10px;border-bottom:1px solid var(--rule);vertical-align:top;white-space:nowrap}
tr:last-child>*{border-bottom:0}
th{font-weight:600;color:var(--muted)}
th:first-child,td.text{text-align:left}
td.text,.settings th,.limits th{white-space:normal}
tbody th{color:var(--ink)}
td.text{min-width:8em}
th:first-child{padding-left:0}
.settings th,.settings td{text-align:left;overflow-wrap:anywhere}
.state{font-weight:600;white-space:nowrap}
.state.met,.better{color:var(--met)}
.state.missed,.worse{color:var(--missed)}
.state.unproven{color:var(--unproven)}
.counts{display:grid;gap:12px 20px;grid-template-columns:repeat(auto-fill,minmax(112px,1fr));margin:16px 0 0}
.counts dt{color:var(--muted);font-size:.85rem}
.counts dd{margin:0;font-weight:600}
details{margin-top:12px}
summary{cursor:pointer;color:var(--muted);font-size:.9rem}
.narrow{display:none}
@media (max-width:720px){
main{padding:20px 14px 40px}
.wide{display:none}.narrow{display:block}
.card{padding:14px}
.verdict{padding:16px}
.verdict strong{font-size:1.25rem}
h2{margin-top:36px}
th,td{padding:6px 7px}
.limits tr{display:block;padding:8px 0;border-bottom:1px solid var(--rule)}
.limits tr:last-child{border:0}
.limits th,.limits td{display:block;border:0;padding:1px 0}
.settings th{min-width:8em}
}
@media print{
:root{--page:#fff}
@page{margin:14mm}
body{font-size:11pt}
main{max-width:none;padding:0}
.card,.verdict,.tile,figure,tr{break-inside:avoid}
h2,h3,figcaption{break-after:avoid}
details,.narrow{display:none}
.wide{display:block}
.card,.verdict{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
${CHART_CSS}`;
