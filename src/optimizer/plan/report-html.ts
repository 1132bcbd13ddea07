/** Pieces of HTML for the report: text is escaped unless it is `Markup` already. Called by report.ts and report-plots.ts. Pure. */

/** HTML that is finished. */
export interface Markup {
  readonly html: string;
}

type Part = Markup | string | number | undefined | readonly (Markup | string | number | undefined)[];

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => escapes[char]!);
}

/** A template whose values are escaped: names of nodes and classes come from files of strangers. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { html: texts.map((text, index) => text + (index < parts.length ? render(parts[index]) : '')).join('') };
}

function render(part: Part): string {
  if (part === undefined) return '';
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return 'html' in part ? part.html : part.map(render).join('');
}

export function table(headers: readonly string[], rows: readonly (readonly (Markup | string | number)[])[]): Markup {
  const head = headers.map((header) => html`<th>${header}</th>`);
  const body = rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>\n`);
  return html`<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

export const styleSheet = `
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fff; --soft: #5c6675; --line: #d8dde5; --good: #1a7f4b; --bad: #b3372f; --mark: #2458c5 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --paper: #14181f; --soft: #9aa5b5; --line: #323a46; --good: #4cc38a; --bad: #ff7b72; --mark: #7aa5ff } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem } h3 { font-size: 1rem }
.soft { color: var(--soft) } .good { color: var(--good) } .bad { color: var(--bad) } .choice { font-weight: 600; font-size: 1.1rem }
.note { border-left: 3px solid var(--bad); padding-left: .8rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; vertical-align: top }
th { font-weight: 600; font-size: .85rem; color: var(--soft) } td.reason { white-space: normal; min-width: 18rem }
svg { max-width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: var(--ink) } svg .soft { fill: var(--soft) }
svg line { stroke: var(--line) } summary { cursor: pointer } code { font-size: .9em }
`;
