// All generations, the newest first: those of the server, with what this browser
// remembers of them.

import { list } from './api.js';
import { Card } from './card.js';
import { $ } from './dom.js';
import { forget, recall, remember } from './store.js';

const pageSize = 12;

export class Feed {
  #actions;
  #cards = [];
  #token = '';

  /** Actions are those of a Card, but for remove. */
  constructor(actions) {
    this.#actions = { ...actions, remove: (card) => void this.#remove(card) };
    $('older').addEventListener('click', () => void this.load());
    $('forget').addEventListener('click', () => void this.#forgetAll());
  }

  /** Shows the next page. */
  async load() {
    const page = await list(this.#token, pageSize);
    for (const generation of page.generations || []) {
      if (this.#cards.some((card) => card.name === generation.name)) continue;
      const inputs = await recall(generation.name);
      if (!inputs?.hidden) this.#show(generation, inputs, 'append');
    }
    this.#token = page.nextPageToken || '';
    this.#tidy();
  }

  /** Shows a generation that was just created, once a reload would show it too. */
  async add(generation, inputs) {
    await remember(inputs);
    this.#show(generation, inputs, 'prepend');
    this.#tidy();
  }

  #show(generation, inputs, where) {
    const card = new Card(generation, inputs, this.#actions);
    this.#cards.push(card);
    $('feed')[where](card.element);
  }

  #tidy() {
    $('empty').hidden = this.#cards.length > 0;
    $('forget').hidden = this.#cards.length === 0;
    $('older').hidden = !this.#token;
  }

  #drop(card) {
    if (!this.#cards.includes(card)) return;
    card.close();
    card.element.remove();
    this.#cards.splice(this.#cards.indexOf(card), 1);
  }

  // What is gone from the page stays gone after a reload, so the memory goes first.
  async #remove(card) {
    await remember({ name: card.name, hidden: true });
    this.#drop(card);
    $('feed').focus();
    this.#tidy();
  }

  async #forgetAll() {
    if (!confirm('Forget the pictures shown here, and the copies of what went into them? They expire on the server by themselves.')) return;
    const cards = [...this.#cards];
    await forget(cards.map((card) => card.name));
    for (const card of cards) this.#drop(card);
    this.#tidy();
  }
}
