// The style picture: one of one's own or of the gallery, and who goes where in it.

import { detectPeople, getBlob } from './api.js';
import { announce, h } from './dom.js';
import { takeDrops, thumb } from './images.js';
import { boxAt, middle } from './places.js';

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

  /**
   * The picture: { file, url, width, height, thumb, digest, looking, boxes, problem },
   * or null. boxes are the faces in it from the left, null until they are known.
   */
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
      width: small?.width ?? 0, height: small?.height ?? 0, digest: '', looking: true, boxes: null, problem: '',
    };
    this.#update();
    announce(`The style picture is ${file.name}`);
    void this.#look(this.picture);
  }

  // Finds out who is in the picture. Where that fails they are outlined with the
  // first result.
  async #look(picture) {
    try {
      const { people = [], width, height } = await detectPeople(picture.file);
      Object.assign(picture, { width, height, boxes: people.map(({ box }) => box) });
    } catch (problem) {
      if (problem.field === 'picture') picture.problem = problem.message;
    }
    picture.looking = false;
    if (this.picture !== picture) return;
    this.render();
    if (picture.boxes) announce(this.#shows());
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
    if (!this.picture || this.picture.boxes || this.picture.digest !== digest) return;
    this.picture.boxes = placements.map((placed) => placed.box).filter(Boolean);
    this.render();
  }

  #update() {
    this.render();
    this.#changed();
  }

  render() {
    const focus = this.#root.contains(document.activeElement) && document.activeElement.dataset.focus;
    this.#root.replaceChildren(this.picture ? this.#chosen() : this.#choice());
    if (focus) this.#root.querySelector(`[data-focus=${focus}]`)?.focus();
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
    const boxes = this.picture.boxes || [];
    const canvas = h('div', { class: 'canvas' }, h('img', { src: this.picture.url, alt: `Style picture ${this.picture.file.name}`, draggable: false }));
    boxes.forEach((box, i) => {
      const outline = h('span', { class: 'outline', 'data-number': boxes.length > 1 && i + 1 });
      this.#put(outline, box.x || 0, box.y || 0);
      outline.style.width = `${100 * box.width / this.picture.width}%`;
      outline.style.height = `${100 * box.height / this.picture.height}%`;
      canvas.append(outline);
    });
    const several = (people.list.length > 1 || boxes.length > 1) && this.picture.width > 0;
    const tray = several && h('div', { class: 'tray' });
    if (several) people.list.forEach((person, i) => (person.at ? canvas : tray).append(this.#token(person, i, canvas)));
    const broad = several && this.picture.width > 1.2 * this.picture.height;
    return h('div', { class: broad ? 'chosen broad' : 'chosen' }, canvas,
      h('div', {},
        h('p', {}, this.picture.file.name),
        this.picture.problem ? h('p', { class: 'problem hint' }, this.picture.problem) : h('p', { class: 'quiet hint' }, this.#shows()),
        boxes.length > 0 && people.list.length > boxes.length
          && h('p', { class: 'note hint' }, 'You show more people than that: take one away, or another style picture.'),
        several && h('p', { class: 'quiet hint' }, 'Drag people onto somebody of the picture, or use the arrow keys. Who is left goes from left to right.'),
        tray,
        h('button', {
          type: 'button', class: 'text', 'data-focus': 'another', onclick: () => { this.clear(); this.#root.querySelector('input').focus(); },
        }, 'Another style picture')));
  }

  // Says who is in the picture.
  #shows() {
    const { boxes, looking } = this.picture;
    if (!boxes) return looking ? 'Looking who is in it…' : 'Who is in it is outlined with the first result.';
    if (boxes.length === 0) return 'No face was found in it. One person can take its look; several need somebody to become.';
    return boxes.length === 1 ? 'One person is in it.' : `${boxes.length} people are in it.`;
  }

  #put(element, x, y) {
    element.style.left = `${100 * x / this.picture.width}%`;
    element.style.top = `${100 * y / this.picture.height}%`;
  }

  // A person as a thing that is dragged, or moved by the arrow keys.
  #token(person, index, canvas) {
    const name = this.#people().nameOf(person);
    const boxes = this.picture.boxes || [];
    const on = person.at ? boxAt(boxes, person.at) : -1;
    const share = (part, whole) => `${Math.round(100 * part / whole)} %`;
    const where = on >= 0 ? `on person ${on + 1} of ${boxes.length} from the left`
      : person.at ? `at ${share(person.at.x, this.picture.width)}, ${share(person.at.y, this.picture.height)}`
        : 'placed from left to right';
    const token = h('button', {
      type: 'button', class: `token tint${index % 4}`, 'data-focus': `token${index}`,
      'aria-label': `${name}, ${where}. Arrow keys move, Delete takes off the picture.`,
      onkeydown: (event) => this.#key(event, person),
      onpointerdown: (event) => this.#drag(event, person, token, canvas),
    }, name);
    // Below the face, so that it stays in view.
    if (on >= 0) this.#put(token, middle(boxes[on]).x, (boxes[on].y || 0) + boxes[on].height);
    else if (person.at) this.#put(token, person.at.x, person.at.y);
    return token;
  }

  // Puts a person onto one of the picture; who was there takes the place it leaves.
  #onto(person, i) {
    const { boxes } = this.picture;
    const there = this.#people().list.find((other) => other !== person && other.at && boxAt(boxes, other.at) === i);
    if (there) there.at = person.at;
    person.at = middle(boxes[i]);
  }

  #key(event, person) {
    const { width, height } = this.picture;
    const boxes = this.picture.boxes || [];
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step && boxes.length > 0) {
      const on = person.at ? boxAt(boxes, person.at) : -1;
      const way = step[0] + step[1];
      this.#onto(person, on < 0 ? (way > 0 ? 0 : boxes.length - 1) : (on + way + boxes.length) % boxes.length);
    } else if (step) {
      const at = person.at || { x: width / 2, y: height / 2 };
      person.at = {
        x: Math.min(width - 1, Math.max(0, at.x + step[0] * nudge * width)),
        y: Math.min(height - 1, Math.max(0, at.y + step[1] * nudge * width)),
      };
    } else if (event.key === 'Delete' || event.key === 'Backspace') person.at = null;
    else return;
    event.preventDefault();
    this.#update();
  }

  #drag(event, person, token, canvas) {
    if (event.button !== 0) return;
    const area = canvas.getBoundingClientRect();
    const inside = (e) => e.clientX >= area.left && e.clientX < area.right && e.clientY >= area.top && e.clientY < area.bottom;
    const place = (e) => ({
      x: (e.clientX - area.left) / area.width * this.picture.width,
      y: (e.clientY - area.top) / area.height * this.picture.height,
    });
    const target = (e) => (inside(e) ? boxAt(this.picture.boxes || [], place(e)) : -1);
    let moved = false;
    const move = (e) => {
      moved = true;
      if (token.parentElement !== canvas) canvas.append(token);
      const { x, y } = place(e);
      this.#put(token, x, y);
      const on = target(e);
      canvas.querySelectorAll('.outline').forEach((outline, i) => outline.classList.toggle('target', i === on));
      canvas.classList.toggle('over', inside(e) && !this.picture.boxes?.length);
    };
    const drop = (e) => {
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', drop);
      removeEventListener('pointercancel', drop);
      if (!moved || !this.picture) return;
      const on = target(e);
      if (e.type !== 'pointerup' || !inside(e)) person.at = null;
      else if (on >= 0) this.#onto(person, on);
      else person.at = this.picture.boxes?.length ? null : place(e);
      this.#update();
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', drop);
    addEventListener('pointercancel', drop);
  }
}
