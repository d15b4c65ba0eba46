// Requests as curl commands.

import { heldKey } from './key.js';

const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

const snake = (name) => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/**
 * Returns the command that asks for the same. People are { name, files, at }, with
 * the files' names; the style is a file's name or empty.
 */
export function curlOf(people, style, settings) {
  const parts = [];
  const several = people.length > 1;
  for (const person of people) {
    const suffix = several ? `.${person.name}` : '';
    for (const file of person.files) parts.push(`face${suffix}=@${file}`);
    if (person.at) parts.push(`at${suffix}=${Math.round(person.at.x)},${Math.round(person.at.y)}`);
  }
  if (style) parts.push(`style=@${style}`);
  for (const [name, value] of Object.entries(settings)) {
    if (name !== 'previewEvery') parts.push(`${snake(name)}=${value}`);
  }
  const key = heldKey() ? ['  -H "Authorization: Bearer $FACESTUDIO_API_KEY"'] : [];
  return ['curl', ...key, ...parts.map((part) => `  -F ${quote(part)}`), `  ${location.origin}/v1/generations`].join(' \\\n');
}

/** Puts text on the clipboard; where the browser forbids it, shows it for copying by hand. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    prompt('Copy this:', text);
    return false;
  }
}
