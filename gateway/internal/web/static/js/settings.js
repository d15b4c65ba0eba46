// Prompt, balance, sizes and the other numbers of a request.

import { $, h } from './dom.js';

// Settings that are a field of a Generation each: its name, the element, and how
// its text becomes a value. What is empty is left to the server.
const fields = [
  ['prompt', 'prompt', String],
  ['seed', 'seed', String],
  ['steps', 'steps', Number],
  ['guidanceScale', 'guidance', Number],
  ['pictureCount', 'count', Number],
  ['width', 'width', Number],
  ['height', 'height', Number],
];
const unset = 'BACKGROUND_UNSPECIFIED';

export class Settings {
  #bundle = null;

  constructor() {
    $('alpha').addEventListener('input', () => this.#balance());
    this.#balance();
  }

  /** Takes the limits of the bundle that is served. */
  limit(bundle) {
    this.#bundle = bundle;
    const canvas = bundle.canvas;
    for (const id of ['width', 'height']) {
      const options = [];
      for (let side = canvas.minSide; side <= canvas.maxSide; side += canvas.multipleOf) {
        options.push(h('option', { value: side, selected: side === canvas.defaultSide }, `${side} px`));
      }
      $(id).replaceChildren(...options);
    }
    $('steps').max = bundle.maxSteps;
    $('steps').placeholder = bundle.defaultSteps;
    $('guidance').max = bundle.maxGuidanceScale;
    $('guidance').placeholder = bundle.defaultGuidanceScale;
    $('prompt').disabled = !bundle.prompts;
    if (!bundle.prompts) $('prompt').placeholder = 'This bundle takes no words.';
  }

  /** Shows what applies to a request with or without a style picture. */
  suit(hasStyle) {
    $('alpha-field').hidden = !(hasStyle && $('prompt').value.trim());
    const keep = $('background').querySelector('[value=BACKGROUND_KEEP]');
    keep.disabled = !hasStyle;
    if (!hasStyle && keep.selected) $('background').value = unset;
  }

  /** Returns the fields of a Generation. */
  read() {
    const out = {};
    for (const [name, id, convert] of fields) {
      const text = $(id).value.trim();
      if (text !== '') out[name] = convert(text);
    }
    if (!$('alpha-field').hidden) out.alpha = Number($('alpha').value);
    if ($('background').value !== unset) out.background = $('background').value;
    // About ten looks at each picture.
    out.previewEvery = Math.max(1, Math.round((out.steps || this.#bundle?.defaultSteps || 25) / 10));
    return out;
  }

  /** Puts the fields of a Generation back. */
  write(generation) {
    for (const [name, id] of fields) $(id).value = generation[name] ?? '';
    if (generation.alpha !== undefined) $('alpha').value = generation.alpha;
    const background = generation.background || unset;
    $('background').value = background;
    if (!$('background').value) $('background').value = unset;
    this.#balance();
  }

  /** Marks the setting that a problem is about, if it is one. */
  blame(field) {
    for (const [name, id] of [...fields, ['alpha', 'alpha'], ['background', 'background']]) {
      const wrong = field === name || field === name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
      $(id).setAttribute('aria-invalid', wrong);
      if (wrong) {
        $(id).closest('details')?.setAttribute('open', '');
        $(id).focus();
      }
    }
  }

  #balance() {
    const alpha = Math.round(100 * $('alpha').value);
    $('alpha-value').textContent = `${alpha} % style picture, ${100 - alpha} % words`;
  }
}
