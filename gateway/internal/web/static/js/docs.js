// Shows the OpenAPI document for reading.

import { $, h } from './dom.js';

const reasons = 'facestudio.fault.v1.Reason';
const anchor = (text) => text.replace(/[^\w.-]+/g, '-');
const short = (name) => name.replace(/^facestudio\.\w+\.v1\./, '');

/** Text with paragraphs, and lines that are indented as code. */
function prose(text) {
  return (text || '').trim().split(/\n\n+/).map((part) => (/^ {4}/.test(part)
    ? h('pre', { tabIndex: 0 }, part.replace(/^ {4}/gm, ''))
    : h('p', {}, part.replace(/\s+/g, ' ').split(/(`[^`]+`)/).map((piece) => (piece.startsWith('`') ? h('code', {}, piece.slice(1, -1)) : piece)))));
}

/** What a schema is, in a word or a link. */
function kind(schema = {}) {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1);
    return h('a', { href: `#${anchor(name)}` }, short(name));
  }
  if (schema.type === 'array') return h('span', {}, 'list of ', kind(schema.items));
  if (schema.additionalProperties) return h('span', {}, 'map to ', kind(schema.additionalProperties));
  return h('span', {}, [schema.type, schema.contentMediaType ? 'file' : schema.format].filter(Boolean).join(', '));
}

function table(caption, rows) {
  if (rows.length === 0) return null;
  return h('table', {}, h('caption', {}, caption), h('tbody', {}, rows.map(([name, type, text]) =>
    h('tr', {}, h('th', { scope: 'row' }, h('code', {}, name)), h('td', {}, type), h('td', {}, prose(text))))));
}

function operation(path, method, op) {
  const bodies = Object.entries(op.requestBody?.content || {});
  const answers = Object.entries(op.responses || {}).flatMap(([status, response]) =>
    (response.$ref ? [[status, 'application/problem+json', { $ref: '#/components/schemas/Problem' }]]
      : Object.entries(response.content || { '': {} }).map(([type, { schema }]) => [status, type, schema])));
  return h('section', { class: 'card', id: anchor(`${method}-${path}`) },
    h('h3', {}, h('span', { class: 'method' }, method.toUpperCase()), ' ', h('code', {}, path)),
    prose(op.summary), prose(op.description !== op.summary ? op.description : ''),
    table('Parameters', (op.parameters || []).map((p) => [p.name, h('span', {}, `${p.in}, `, kind(p.schema)), p.description])),
    table('Body', bodies.map(([type, { schema }]) => [type, kind(schema), ''])),
    table('Answers', answers.map(([status, type, schema]) => [status, h('span', {}, schema ? kind(schema) : '', ' '), type])));
}

function schemaSection(name, schema) {
  const meanings = schema['x-enum-descriptions'] || {};
  return h('section', { class: 'card', id: anchor(name) },
    h('h3', {}, h('code', {}, short(name))), prose(schema.description),
    table('Fields', Object.entries(schema.properties || {}).map(([field, s]) => [field, kind(s), s.description])),
    table('Values', (schema.enum || []).map((value) => [value, '', meanings[value]])
      .filter(([value]) => !value.endsWith('UNSPECIFIED'))));
}

// What the `type` of a problem points to.
function reasonSection(document) {
  const schema = document.components.schemas[reasons];
  const rows = schema.enum.map((value) => value.replace('REASON_', '')).map((reason) =>
    h('tr', { id: `reason-${reason}` }, h('th', { scope: 'row' }, h('code', {}, reason)),
      h('td', {}, prose(schema['x-enum-descriptions'][`REASON_${reason}`]))));
  return h('section', { class: 'card', id: 'reasons' },
    h('p', {}, 'The ', h('code', {}, 'reason'), ' of a problem says what to do about it.'), h('table', {}, h('tbody', {}, rows)));
}

function show(document) {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, op]) => ({ path, method, op })));
  const schemas = Object.entries(document.components.schemas).filter(([name]) => name !== reasons)
    .sort(([a], [b]) => short(a).localeCompare(short(b)));
  const link = (to, text) => h('a', { href: `#${to}` }, text);
  $('contents').replaceChildren(
    h('h2', {}, 'Calls'), ...operations.map(({ path, method }) => link(anchor(`${method}-${path}`), `${method.toUpperCase()} ${path}`)),
    h('h2', {}, 'Failures'), link('reasons', 'Reasons'),
    h('h2', {}, 'Schemas'), ...schemas.map(([name]) => link(anchor(name), short(name))));
  $('document').replaceChildren(
    h('h2', {}, 'Calls'), ...prose(document.info.description), ...operations.map(({ path, method, op }) => operation(path, method, op)),
    h('h2', {}, 'Failures'), reasonSection(document),
    h('h2', {}, 'Schemas'), ...schemas.map(([name, schema]) => schemaSection(name, schema)));
  if (location.hash) $(location.hash.slice(1))?.scrollIntoView();
}

fetch('/openapi.json').then((response) => response.json()).then(show)
  .catch(() => $('document').replaceChildren(h('p', { class: 'problem' }, 'The document cannot be loaded.')));
