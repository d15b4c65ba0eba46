// The API key that this tab shows to the server, where that wants one. It is kept
// until the tab is closed, and never becomes part of an address.

import { $ } from './dom.js';

const storage = 'facestudio-key';

// Where the browser keeps nothing for pages, the key lasts until a reload.
let held = '';
try {
  held = sessionStorage.getItem(storage) || '';
} catch { /* as above */ }

/** The key, or an empty text. */
export const heldKey = () => held;

function hold(key) {
  held = key;
  try {
    if (key) sessionStorage.setItem(storage, key);
    else sessionStorage.removeItem(storage);
  } catch { /* as above */ }
}

/** Asks for the key, and lets it be changed. */
export class KeyDialog {
  #dialog = $('key-dialog');
  #input = $('key');
  #button = $('key-button');

  /** Tells when there is a key where there was none; every other change reloads the page. */
  constructor(begin) {
    this.#button.hidden = !held;
    this.#button.addEventListener('click', () => this.ask(''));
    $('key-forget').addEventListener('click', () => {
      hold('');
      location.reload();
    });
    $('key-close').addEventListener('click', () => this.#dialog.close());
    this.#dialog.addEventListener('submit', (event) => {
      event.preventDefault();
      const key = this.#input.value.trim();
      if (!key) return;
      const first = !held;
      hold(key);
      this.#dialog.close();
      if (first) begin();
      else location.reload();
    });
    this.#dialog.addEventListener('close', () => { this.#input.value = ''; });
  }

  /** Opens, and says what is wrong with the key so far. */
  ask(problem) {
    $('key-problem').textContent = problem;
    $('key-problem').hidden = !problem;
    $('key-forget').hidden = !held;
    this.#button.hidden = false;
    if (!this.#dialog.open) this.#dialog.showModal();
  }
}
