// The style picture: one of one's own or of the gallery, and who goes where in it.

import { getBlob } from './api.js';
import { announce, h } from './dom.js';
import { takeDrops, thumb } from './images.js';

// The gallery's people do not exist; the pictures are CC0.
const gallery = {
  elena: 'woman, about 35', marco: 'man, about 38', amara: 'woman, about 33', jun: 'man, about 34',
  rosa: 'woman, about 57', samuel: 'man, about 87', clara: 'woman, about 42', jabari: 'man, about 38',
};
const nudge = 0.04; // how far an arrow key moves a person, of the picture's width

export class Style {
  #root;
  #people;
  #changed;

  /** The picture: { file, url, width, height, thumb, digest, boxes }, or null. */
  picture = null;

  constructor(root, people, changed) {
    this.#root = root;
    this.#people = people;
    this.#changed = changed;
    takeDrops(root, (files) => void this.take(files[0]));
    this.render();
  }

  /** Takes a file as the style picture. */
  async take(file) {
    const small = await thumb(file);
    this.clear(false);
    this.picture = {
      file, url: URL.createObjectURL(file), thumb: small?.url ?? null,
      width: small?.width ?? 0, height: small?.height ?? 0, digest: '', boxes: [],
    };
    this.#update();
    announce(`The style picture is ${file.name}`);
  }

  /** Takes a picture of the gallery, or of another address of this server. */
  async takeFrom(url, name) {
    const blob = await getBlob(url);
    await this.take(new File([blob], name, { type: blob.type }));
  }

  clear(update = true) {
    if (this.picture) URL.revokeObjectURL(this.picture.url);
    this.picture = null;
    for (const person of this.#people().list) person.at = null;
    if (update) this.#update();
  }

  /** Outlines the people of the picture, if it is the one of a generation. */
  outline(digest, placements) {
    if (!this.picture || this.picture.digest !== digest) return;
    this.picture.boxes = placements.map((placed) => placed.box).filter(Boolean);
    this.render();
  }

  #update() {
    this.render();
    this.#changed();
  }

  render() {
    this.#root.replaceChildren(this.picture ? this.#chosen() : this.#choice());
  }

  #choice() {
    return h('div', {},
      h('p', { class: 'quiet hint' }, 'A style picture gives pose, hair and colours. These people do not exist.'),
      h('div', { class: 'gallery' },
        h('label', { class: 'drop' },
          h('input', { type: 'file', class: 'hidden', accept: 'image/*', onchange: (event) => void this.take(event.target.files[0]) }),
          h('span', { class: 'plus', 'aria-hidden': 'true' }, '+'), h('span', {}, 'Style picture')),
        Object.entries(gallery).map(([name, shows]) => h('button', {
          type: 'button', class: 'pick', 'aria-label': `Use ${name}: ${shows}`, title: shows,
          onclick: async () => {
            await this.takeFrom(`/gallery/${name}.jpg`, `${name}.jpg`);
            this.#root.querySelector('button').focus();
          },
        }, h('img', { src: `/gallery/${name}.jpg`, alt: '', loading: 'lazy', width: 72, height: 72 })))));
  }

  #chosen() {
    const people = this.#people();
    const canvas = h('div', { class: 'canvas' }, h('img', { src: this.picture.url, alt: `Style picture ${this.picture.file.name}`, draggable: false }));
    this.picture.boxes.forEach((box, i) => {
      const outline = h('span', { class: 'outline', title: `person ${i}` });
      this.#put(outline, box.x || 0, box.y || 0);
      outline.style.width = `${100 * box.width / this.picture.width}%`;
      outline.style.height = `${100 * box.height / this.picture.height}%`;
      canvas.append(outline);
    });
    const several = people.list.length > 1 && this.picture.width > 0;
    const tray = several && h('div', { class: 'tray' });
    if (several) people.list.forEach((person, i) => (person.at ? canvas : tray).append(this.#token(person, i, canvas)));
    return h('div', { class: 'chosen' }, canvas,
      h('div', {},
        h('p', {}, this.picture.file.name),
        several && h('p', { class: 'quiet hint' }, 'Drag each person onto somebody of the picture, or leave them: then they go from left to right.'),
        tray,
        h('button', { type: 'button', class: 'text', onclick: () => { this.clear(); this.#root.querySelector('input').focus(); } }, 'Another style picture')));
  }

  #put(element, x, y) {
    element.style.left = `${100 * x / this.picture.width}%`;
    element.style.top = `${100 * y / this.picture.height}%`;
  }

  // A person as a thing that is dragged, or moved by the arrow keys.
  #token(person, index, canvas) {
    const name = this.#people().nameOf(person);
    const where = person.at
      ? `at ${Math.round(100 * person.at.x / this.picture.width)} %, ${Math.round(100 * person.at.y / this.picture.height)} %`
      : 'placed from left to right';
    const token = h('button', {
      type: 'button', class: `token tint${index % 4}`, 'aria-label': `${name}, ${where}. Arrow keys move, Delete takes off the picture.`,
      onkeydown: (event) => this.#key(event, person, index),
      onpointerdown: (event) => this.#drag(event, person, token, canvas),
    }, name);
    if (person.at) this.#put(token, person.at.x, person.at.y);
    return token;
  }

  #key(event, person, index) {
    const { width, height } = this.picture;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      const at = person.at || { x: width / 2, y: height / 2 };
      person.at = {
        x: Math.min(width - 1, Math.max(0, at.x + step[0] * nudge * width)),
        y: Math.min(height - 1, Math.max(0, at.y + step[1] * nudge * width)),
      };
    } else if (event.key === 'Delete' || event.key === 'Backspace') person.at = null;
    else return;
    event.preventDefault();
    this.#update();
    this.#root.querySelector(`.tint${index % 4}`).focus();
  }

  #drag(event, person, token, canvas) {
    if (event.button !== 0) return;
    const area = canvas.getBoundingClientRect();
    const inside = (e) => e.clientX >= area.left && e.clientX < area.right && e.clientY >= area.top && e.clientY < area.bottom;
    const place = (e) => ({
      x: (e.clientX - area.left) / area.width * this.picture.width,
      y: (e.clientY - area.top) / area.height * this.picture.height,
    });
    let moved = false;
    const move = (e) => {
      moved = true;
      if (token.parentElement !== canvas) canvas.append(token);
      const { x, y } = place(e);
      this.#put(token, x, y);
      canvas.classList.toggle('over', inside(e));
    };
    const drop = (e) => {
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', drop);
      removeEventListener('pointercancel', drop);
      if (!moved) return;
      person.at = e.type === 'pointerup' && inside(e) ? place(e) : null;
      this.#update();
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', drop);
    addEventListener('pointercancel', drop);
  }
}
