// The people to show: for each a name, photos, and what is thought of them.

import { announce, h } from './dom.js';
import { base64, takeDrops, thumb } from './images.js';
import { checkPhotos } from './api.js';

const mostPeople = 8;
const mostPhotos = 32;
const mostBytes = 16 << 20;

export class People {
  #root;
  #add;
  #changed;

  /** The people: { name, photos: [{ file, thumb, verdict }], at: { x, y } | null }. */
  list = [];
  /** The person that a pasted picture goes to. */
  active;

  /** Shows the people in root; changed is called after every change. */
  constructor(root, add, changed) {
    this.#root = root;
    this.#add = add;
    this.#changed = changed;
    add.addEventListener('click', () => {
      this.add();
      root.lastElementChild.querySelector('input[type=text]').focus();
    });
    this.add();
  }

  add() {
    if (this.list.length >= mostPeople) return;
    this.active = { name: '', photos: [], at: null };
    this.list.push(this.active);
    this.#render();
  }

  /** A person's name, unlike those of the others. */
  nameOf(person) {
    const index = this.list.indexOf(person);
    const name = person.name.trim() || `Person ${index + 1}`;
    return this.list.slice(0, index).some((other) => this.nameOf(other) === name) ? `${name} ${index + 1}` : name;
  }

  /** Takes photos of a person and has them looked at. */
  async take(person, files) {
    this.active = person;
    for (const file of files.slice(0, mostPhotos - person.photos.length)) {
      const photo = { file, thumb: null, verdict: { kind: 'wait', text: 'is being looked at' } };
      person.photos.push(photo);
      const small = await thumb(file);
      photo.thumb = small?.url ?? null;
      if (file.size > mostBytes) photo.verdict = { kind: 'bad', text: 'larger than 16 MiB: scale it down' };
      else if (file.size === 0) photo.verdict = { kind: 'bad', text: 'the file is empty' };
    }
    this.#render();
    await this.#judge(person);
  }

  async #judge(person) {
    const photos = person.photos.filter((photo) => photo.file.size > 0 && photo.file.size <= mostBytes);
    if (photos.length === 0) return;
    const round = (person.round = (person.round || 0) + 1);
    let verdicts = [];
    let problem;
    try {
      const pictures = await Promise.all(photos.map((photo) => base64(photo.file)));
      verdicts = (await checkPhotos(pictures)).photoVerdicts || [];
    } catch (error) {
      problem = error;
    }
    if (round !== person.round) return; // the photos have changed meanwhile
    photos.forEach((photo, i) => {
      photo.verdict = problem ? refused(problem, i) : verdictOf(verdicts.find((v) => v.photo === `photos[${i}]`));
    });
    this.#render();
    const bad = photos.filter((photo) => photo.verdict.kind === 'bad').length;
    announce(bad ? `${bad} of ${photos.length} photos of ${this.nameOf(person)} cannot be used` : 'Photos added');
  }

  /** Shows what a generation found out about the photos it was made from. */
  setVerdicts(people, verdicts) {
    for (const verdict of verdicts) {
      const match = /^subjects\[(\d+)\]\.photos\[(\d+)\]$/.exec(verdict.photo);
      const photo = match && people[match[1]]?.photos[match[2]];
      if (photo) photo.verdict = verdictOf(verdict);
    }
    this.#render();
  }

  #remove(person, photo) {
    if (photo) {
      person.photos.splice(person.photos.indexOf(photo), 1);
      void this.#judge(person);
    } else {
      this.list.splice(this.list.indexOf(person), 1);
      this.active = this.list.at(-1);
    }
    this.#render();
    this.#root.querySelector('input[type=file]').focus();
  }

  #render() {
    this.#root.replaceChildren(...this.list.map((person, index) => this.#card(person, index)));
    this.#add.hidden = this.list.length >= mostPeople;
    this.#changed();
  }

  #card(person, index) {
    const title = `Person ${index + 1}`;
    const several = this.list.length > 1;
    const card = h('fieldset', { class: 'person', onfocusin: () => { this.active = person; } },
      h('legend', { class: 'hidden' }, title),
      several && h('div', { class: 'row' },
        h('input', {
          type: 'text', value: person.name, placeholder: title, maxLength: 63, 'aria-label': `Name of ${title}`,
          oninput: (event) => { person.name = event.target.value; this.#changed(); },
        }),
        h('button', { type: 'button', class: 'text', onclick: () => this.#remove(person), 'aria-label': `Remove ${this.nameOf(person)}` }, 'Remove')),
      h('ul', { class: 'photos' },
        person.photos.map((photo, i) => this.#photo(person, photo, i)),
        h('li', {}, this.#chooser(person))));
    takeDrops(card, (files) => void this.take(person, files));
    return card;
  }

  #photo(person, photo, index) {
    return h('li', { class: `photo ${photo.verdict.kind}` },
      photo.thumb ? h('img', { src: photo.thumb, alt: '' }) : h('span', { class: 'unreadable' }, '?'),
      h('span', { class: 'verdict', title: photo.verdict.text },
        h('span', { class: 'hidden' }, `Photo ${index + 1}, ${photo.file.name}: `), photo.verdict.text),
      h('button', { type: 'button', class: 'remove', 'aria-label': `Remove photo ${index + 1}`, onclick: () => this.#remove(person, photo) }, '×'));
  }

  #chooser(person) {
    return h('label', { class: 'drop' },
      h('input', {
        type: 'file', class: 'hidden', accept: 'image/*', multiple: true,
        onchange: (event) => void this.take(person, [...event.target.files]),
      }),
      h('span', { class: 'plus', 'aria-hidden': 'true' }, '+'),
      h('span', {}, person.photos.length ? 'Add photos' : 'Face photos'),
      h('span', { class: 'hidden' }, ` of ${this.nameOf(person)}`));
  }
}

// refused is the verdict on a photo when the look at them all failed.
function refused(problem, index) {
  if (problem.field === `photos[${index}]`) return { kind: 'bad', text: problem.message };
  return { kind: 'later', text: 'will be looked at when the picture is made' };
}

function verdictOf(verdict) {
  if (!verdict) return { kind: 'later', text: 'will be looked at when the picture is made' };
  if (!verdict.used) return { kind: 'bad', text: verdict.fault?.message || 'cannot be used' };
  const figures = verdict.figures || {};
  const weak = [
    figures.facePixels < 64 && 'the face is small',
    Math.abs(figures.yaw) > 40 && 'the face looks away',
    figures.brightness < 0.25 && 'it is dark',
  ].filter(Boolean);
  return weak.length ? { kind: 'weak', text: `usable, but ${weak.join(' and ')}` } : { kind: 'good', text: 'good' };
}
