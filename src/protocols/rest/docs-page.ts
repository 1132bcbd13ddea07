/**
 * The page of GET /docs in one piece: nothing comes from elsewhere, so it works offline, and its policy lets only this very
 * style and script run. Loaded by plain-routes.ts on the first visit; must never be imported at start-up.
 */
import { createHash } from 'node:crypto';
import { docsScript } from './docs-script.ts';
import { docsStyle } from './docs-style.ts';
import { requestExamples } from './openapi-examples.ts';

const example = escapeHtml(JSON.stringify(requestExamples.predict.features.value).replaceAll(/[:,]/g, '$& '));
/** An empty icon: browsers would ask for /favicon.ico otherwise. */
const icon = 'data:,';

/** Value of Content-Security-Policy: the hashes name the exact texts below. */
export const docsPolicy = [
  "default-src 'none'",
  `script-src ${hashOf(docsScript)}`,
  `style-src ${hashOf(docsStyle)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** URLs are relative to /docs, so the page also works below a path of a proxy. */
export const docsPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hotpath API</title>
<link rel="icon" href="${icon}">
<style>${docsStyle}</style>
</head>
<body>
<header>
<h1>Hotpath<small id="version"></small></h1>
<p id="about" class="quiet">API of the inference server.</p>
<nav><a href="#try">Try it</a><a href="#served">Models</a><a href="#routes">Routes</a><a href="#codes">Errors</a><a href="docs/openapi.json">OpenAPI document</a></nav>
</header>
<main>
<section id="try">
<h2>Try it</h2>
<form id="try-form" class="panel">
<p id="key-row" class="row" hidden><label for="key">API key or token</label><input id="key" type="password" autocomplete="off" spellcheck="false"><span class="quiet small">stays on this page</span></p>
<label for="body"><span class="badge post">POST</span> <span class="path">/api/v1/predict</span></label>
<textarea id="body" rows="3" spellcheck="false" autocapitalize="off" autocomplete="off">${example}</textarea>
<p class="row"><button id="send" type="submit">Send</button><span class="quiet small">or Ctrl + Enter</span></p>
<div id="result" aria-live="polite"></div>
</form>
</section>
<section id="served">
<h2>Models served here</h2>
<div id="models"><p class="quiet">Loading …</p></div>
</section>
<section id="routes"></section>
<section id="codes">
<h2>Errors</h2>
<p class="quiet">Every error answer has the body <code>{"error": {"code", "message", "details"}}</code>. Codes are stable.</p>
<div id="errors"></div>
</section>
<noscript><p>This page needs JavaScript; the same content is in <a href="docs/openapi.json">docs/openapi.json</a>.</p></noscript>
</main>
<footer class="quiet small">Served by Hotpath itself; nothing on this page comes from elsewhere.</footer>
<script>${docsScript}</script>
</body>
</html>
`;

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
