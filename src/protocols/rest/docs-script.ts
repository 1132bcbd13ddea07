/**
 * Script of the documentation page: reads openapi.json and the model list, builds the page, sends the form. Runs in the
 * browser. Must insert text by textContent only: model names and answers are not ours.
 */
export const docsScript = String.raw`'use strict';
const byId = (id) => document.getElementById(id);

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== undefined && child !== ''));
  return node;
}

/** Text with the parts between backticks as code. */
function prose(text) {
  const node = element('p');
  String(text ?? '').split('\x60').forEach((part, index) => {
    node.append(index % 2 === 1 ? element('code', '', part) : part);
  });
  return node;
}

function details(className, title, build) {
  const node = element('details', className, title);
  // Built when first opened: the whole document at once is a long page nobody reads.
  node.addEventListener('toggle', () => { if (node.open && node.children.length === 1) node.append(element('div', '', ...build())); });
  return node;
}

function more(title, build) {
  return details('more', element('summary', 'small', title), build);
}

function fields(rows) {
  const list = element('dl', 'fields');
  for (const [name, ...rest] of rows) list.append(element('dt', '', element('code', '', name)), element('dd', '', ...rest));
  return list;
}

let api;

function resolve(value) {
  if (value.$ref === undefined) return value;
  return value.$ref.slice(2).split('/').reduce((at, key) => at[key], api);
}

function nameOf(schema) {
  return schema.$ref?.split('/').at(-1);
}

function typeText(schema) {
  if (schema === undefined) return '';
  if (schema.$ref) return nameOf(schema);
  if (schema.anyOf) return schema.anyOf.map(typeText).join(' or ');
  if (schema.enum) return schema.enum.join(' | ');
  if (schema.type === 'array') return schema.items ? 'list of ' + (typeText(schema.items) || 'values') : 'list';
  return [schema.type ?? ''].flat().join(' or ');
}

function schemaParts(schema) {
  const parts = [];
  const whole = resolve(schema);
  if (whole.description) parts.push(prose(whole.description));
  for (const choice of whole.anyOf ?? []) {
    if (choice.$ref) parts.push(more(nameOf(choice), () => schemaParts(choice)));
    else if (choice.properties) parts.push(propertyList(choice));
  }
  if (whole.properties) parts.push(propertyList(whole));
  return parts;
}

function propertyList(schema) {
  return fields(Object.entries(schema.properties).map(([name, property]) => {
    const required = schema.required?.includes(name) ? ', required' : '';
    const inner = [property, property.items, property.additionalProperties].find((part) => part && (part.$ref || part.properties));
    return [
      name,
      element('span', 'quiet small', typeText(property) + required),
      property.description ? prose(property.description) : '',
      inner ? more(nameOf(inner) ?? 'fields', () => schemaParts(inner)) : '',
    ];
  }));
}

function exampleText(value) {
  return typeof value === 'string' ? value : compact(value, '');
}

/** JSON with lists of plain values, and whatever is short, on one line. */
function compact(value, indent) {
  const inner = indent + '  ';
  const plain = (item) => item === null || typeof item !== 'object';
  if (plain(value)) return JSON.stringify(value);
  if (Array.isArray(value)) {
    if (value.every(plain)) return '[' + value.map((item) => JSON.stringify(item)).join(', ') + ']';
    return '[\n' + value.map((item) => inner + compact(item, inner)).join(',\n') + '\n' + indent + ']';
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return '{}';
  const line = '{ ' + entries.map(([key, item]) => JSON.stringify(key) + ': ' + compact(item, inner)).join(', ') + ' }';
  if (indent.length > 0 && line.length <= 70 && !line.includes('\n')) return line;
  return '{\n' + entries.map(([key, item]) => inner + JSON.stringify(key) + ': ' + compact(item, inner)).join(',\n') + '\n' + indent + '}';
}

function contentParts(content) {
  const seen = new Set();
  return Object.entries(content ?? {}).flatMap(([type, { schema, examples }]) => {
    const parts = [element('p', '', element('code', '', type), ' ', element('span', 'quiet small', typeText(schema)))];
    for (const { summary, value } of Object.values(examples ?? {})) {
      parts.push(element('p', 'quiet small', summary), element('pre', '', exampleText(value)));
    }
    const key = JSON.stringify(schema);
    if (schema !== undefined && !seen.has(key) && (schema.$ref || schema.anyOf)) parts.push(more('Fields', () => schemaParts(schema)));
    else if (schema?.description) parts.push(prose(schema.description));
    seen.add(key);
    return parts;
  });
}

function responsePart(status, response) {
  const { description, headers, content } = resolve(response);
  const title = element('span', '', element('code', '', status), ' ', ...prose(description).childNodes);
  return more(title, () => [
    ...contentParts(content),
    ...(headers ? [element('h3', '', 'Headers'), fields(Object.entries(headers).map(headerRow))] : []),
  ]);
}

function headerRow([name, header]) {
  const { description, example } = resolve(header);
  return [name, description, ...(example === undefined ? [] : [element('br'), element('code', '', String(example))])];
}

function routeParts(route) {
  const parts = [prose(route.description)];
  const parameters = (route.parameters ?? []).map(resolve);
  if (parameters.length > 0) {
    parts.push(element('h3', '', 'Parameters'), fields(parameters.map((parameter) => [
      parameter.name,
      element('span', 'quiet small', parameter.in + (parameter.required ? ', required' : '')),
      prose(parameter.description),
      parameter.example === undefined ? '' : element('code', '', String(parameter.example)),
    ])));
  }
  if (route.requestBody) parts.push(element('h3', '', 'Request body'), ...contentParts(route.requestBody.content));
  parts.push(element('h3', '', 'Answers'));
  for (const [status, response] of Object.entries(route.responses)) parts.push(responsePart(status, response));
  return parts;
}

function showApi() {
  byId('version').textContent = api.info.version;
  byId('about').textContent = api.info.description;
  const room = byId('routes');
  for (const { name, description } of api.tags) {
    room.append(element('h2', '', name), element('p', 'quiet', description));
    for (const [path, item] of Object.entries(api.paths)) {
      for (const [method, route] of Object.entries(item)) {
        if (!route.tags.includes(name)) continue;
        const badge = element('span', 'badge ' + method, method.toUpperCase());
        const title = element('summary', '', badge, element('span', 'path', path), element('span', 'quiet small', route.summary));
        room.append(details('route', title, () => routeParts(route)));
      }
    }
  }
  const codes = api.components.schemas.ErrorCode['x-error-codes'];
  byId('errors').append(fields(codes.map(({ code, status, meaning }) => [code, element('code', '', String(status)), ' ', meaning])));
}

function tensorText({ name, datatype, shape }) {
  return name + ': ' + datatype + '[' + shape.map((dim) => (dim < 0 ? '?' : dim)).join(', ') + ']';
}

/** A request of the right shape, filled with zeros; undefined when it would be too long for a form. */
function sampleRequest({ name, version, loaded }) {
  const inputs = {};
  for (const { name: input, datatype, shape: dims } of loaded.signature.inputs) {
    const shape = dims.map((dim) => (dim < 0 ? 1 : dim));
    const count = shape.reduce((product, dim) => product * dim, 1);
    if (count > 1000) return undefined;
    const filler = datatype === 'string' ? '' : datatype === 'bool' ? false : 0;
    inputs[input] = { shape, data: new Array(count).fill(filler) };
  }
  return { model: name, version, inputs };
}

function modelPart(model, isDefault) {
  const { name, version, state, reason, loaded } = model;
  const head = element('div', 'row', element('strong', '', name), element('span', 'quiet', 'version ' + version),
    element('span', 'state ' + state, state), isDefault ? element('span', 'quiet small', 'default') : '');
  const part = element('div', 'panel', head);
  if (reason) part.append(element('p', state === 'failed' ? 'bad small' : 'quiet small', reason));
  if (loaded === undefined) return part;
  const line = (what, specs) => element('div', 'small', element('span', 'quiet', what + ' '), ...specs.flatMap((spec) => [element('code', '', tensorText(spec)), ' ']));
  part.append(line('takes', loaded.signature.inputs), line('gives', loaded.signature.outputs));
  const sample = sampleRequest(model);
  if (sample !== undefined) {
    const use = element('button', 'plain', 'Put a request for it into the form');
    use.type = 'button';
    use.addEventListener('click', () => {
      byId('body').value = compact(sample, '');
      byId('try').scrollIntoView();
      byId('body').focus({ preventScroll: true });
    });
    part.append(use);
  }
  return part;
}

async function showModels() {
  const room = byId('models');
  try {
    const { models, defaultModel } = await readJson('api/v1/models');
    room.replaceChildren(...models.map((model) => modelPart(model, model.name === defaultModel)));
    if (models.length === 0) room.append(element('p', 'quiet', 'No model in the folder yet.'));
  } catch (error) {
    room.replaceChildren(element('p', 'bad', 'The models could not be listed: ' + error.message));
  }
}

/** A server that asks for no credentials has no field for them. */
function credentials() {
  const key = byId('key').value.trim();
  return key === '' ? {} : key.startsWith('hp_') ? { 'x-api-key': key } : { authorization: 'Bearer ' + key };
}

async function readJson(url) {
  const response = await fetch(url, { headers: credentials() });
  if (response.status === 401) throw new Error('this server asks for an API key or a token');
  if (!response.ok) throw new Error('status ' + response.status);
  return response.json();
}

function answerText(text) {
  // Short enough to lay out; 64-bit integers beyond 2^53 would be rounded by a round trip, so those stay as they came.
  if (text.length > 200000 || /\d{16}/.test(text)) return text;
  try {
    return compact(JSON.parse(text), '');
  } catch {
    return text;
  }
}

function timingRows(headers) {
  const rows = [];
  for (const name of ['server-timing', 'x-process-time', 'x-cache', 'x-prediction-id', 'retry-after', 'x-request-id']) {
    const value = headers.get(name);
    if (value === null) continue;
    if (name === 'server-timing') rows.push([name, value.replaceAll(/;dur=([\d.]+)/g, ' $1 ms')]);
    else rows.push([name, name === 'x-process-time' ? value + ' s' : value]);
  }
  return rows;
}

async function sendForm(event) {
  event.preventDefault();
  const button = byId('send');
  const result = byId('result');
  button.disabled = true;
  const begun = performance.now();
  try {
    const response = await fetch('api/v1/predict', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...credentials() },
      body: byId('body').value,
    });
    const text = await response.text();
    const took = (performance.now() - begun).toFixed(1) + ' ms seen from here';
    const status = element('strong', response.ok ? 'ready' : 'bad', response.status + ' ' + response.statusText);
    result.replaceChildren(
      element('p', 'row', status, element('span', 'quiet small', took)),
      element('pre', '', answerText(text)),
      fields(timingRows(response.headers)),
    );
  } catch (error) {
    result.replaceChildren(element('p', 'bad', 'No answer: ' + error.message));
  } finally {
    button.disabled = false;
  }
}

async function start() {
  byId('try-form').addEventListener('submit', sendForm);
  byId('body').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('try-form').requestSubmit();
  });
  byId('key').addEventListener('change', showModels);
  showModels();
  try {
    api = await readJson('docs/openapi.json');
    byId('key-row').hidden = api.security === undefined;
    showApi();
  } catch (error) {
    byId('routes').append(element('p', 'bad', 'The document could not be read: ' + error.message));
  }
}

start();
`;
