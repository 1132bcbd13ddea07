/** Style of the documentation page: system fonts, one column, light and dark by the reader's setting. Text only. */
export const docsStyle = `
:root { color-scheme: light dark; --page: #fbfbfa; --panel: #fff; --line: #e2e2de; --text: #1d1f21; --quiet: #62666b;
  --code: #f3f3f0; --accent: #b4451f; --get: #1f6f50; --post: #8a4b08; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #141517; --panel: #1b1d20; --line: #2f3338; --text: #e6e6e3;
  --quiet: #9ba0a6; --code: #23262a; --accent: #f08a5d; --get: #6fcf9f; --post: #e9b06a; --bad: #ff8a80; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
main, header, footer { max-width: 58rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { margin: 0; font-size: 1.9rem; letter-spacing: -.02em; }
h1 small { margin-left: .5rem; color: var(--quiet); font-size: 1rem; font-weight: 400; letter-spacing: 0; }
h2 { margin: 2.75rem 0 .25rem; font-size: 1.25rem; }
h3 { margin: 1.25rem 0 .4rem; font-size: .8rem; color: var(--quiet); text-transform: uppercase; letter-spacing: .05em; }
p { margin: .35rem 0; }
a { color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin-top: .9rem; font-size: .95rem; }
.quiet { color: var(--quiet); }
.small { font-size: .875rem; }
.bad { color: var(--bad); }
code, pre, textarea, .path { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, 'Liberation Mono', monospace; font-size: .875rem; }
code { padding: .1em .3em; border-radius: 4px; background: var(--code); overflow-wrap: anywhere; }
pre { margin: .4rem 0; padding: .75rem .9rem; border-radius: 8px; background: var(--code); line-height: 1.5;
  overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.panel, details.route { margin: .6rem 0; border: 1px solid var(--line); border-radius: 10px; background: var(--panel); }
.panel { padding: 1rem 1.1rem; }
summary { cursor: pointer; }
details.route > summary { position: relative; display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem .7rem; padding: .7rem 2.4rem .7rem 1rem; list-style: none; }
details.route > summary::-webkit-details-marker { display: none; }
details.route > summary::after { content: '+'; position: absolute; top: .7rem; right: 1rem; color: var(--quiet); }
details.route[open] > summary::after { content: '\\2212'; }
details.route > div { padding: .2rem 1.1rem 1.1rem; border-top: 1px solid var(--line); }
details.more { margin: .3rem 0; }
details.more > div { padding-left: 1rem; }
.badge { min-width: 3.2rem; font: 600 .75rem/1.6 ui-monospace, monospace; letter-spacing: .04em; }
.get { color: var(--get); }
.post { color: var(--post); }
.path { font-weight: 600; overflow-wrap: anywhere; }
.state { display: inline-block; padding: 0 .55rem; border: 1px solid currentColor; border-radius: 99px; font-size: .78rem; }
.ready { color: var(--get); }
.failed { color: var(--bad); }
.fields { display: grid; grid-template-columns: minmax(8rem, 13rem) 1fr; margin: 0; border-top: 1px solid var(--line); font-size: .9rem; }
.fields dt, .fields dd { margin: 0; padding: .4rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
.fields dt { padding-right: .8rem; }
label { display: block; margin-bottom: .35rem; font-size: .9rem; }
[hidden] { display: none !important; }
#key { flex: 1 1 16rem; padding: .45rem .7rem; border: 1px solid var(--line); border-radius: 8px; background: var(--page, transparent); color: inherit; font: inherit; }
textarea { width: 100%; min-height: 5rem; padding: .7rem .8rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--page); color: var(--text); line-height: 1.5; resize: vertical; }
button { padding: .45rem 1.1rem; border: 0; border-radius: 8px; background: var(--accent); color: var(--panel); font: inherit;
  font-weight: 600; cursor: pointer; }
button:disabled { opacity: .6; cursor: default; }
button.plain { padding: 0; background: none; color: var(--accent); font-size: .875rem; font-weight: 400; text-decoration: underline; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.row { display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem .8rem; }
footer { padding-top: 2rem; padding-bottom: 3rem; }
@media (max-width: 34rem) {
  header { padding-top: 1.5rem; }
  .fields { grid-template-columns: 1fr; }
  .fields dt { padding-bottom: 0; border-bottom: 0; }
  .fields dd { padding-top: .1rem; }
  .panel { padding: .85rem; }
}
`;
