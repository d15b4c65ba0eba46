// One generation on the page: what went in, how it goes, what came out.

import { cancel, getBlob, isEnded, pictureURL, watch } from './api.js';
import { announce, flash, h } from './dom.js';
import { heldKey } from './key.js';

const states = {
  STATE_QUEUED: 'Waiting', STATE_RUNNING: 'Being made', STATE_SUCCEEDED: 'Done', STATE_FAILED: 'Failed', STATE_CANCELLED: 'Cancelled',
};
const stages = {
  encode: 'Looking at the photos', prior: 'Thinking about the words', segment: 'Finding the people',
  verify: 'Comparing the faces', finish: 'Saving',
};

const painting = { denoise: 'Painting', refine: 'Refining the faces of', correct: 'Correcting the faces of' };

export class Card {
  #parts;
  #generation;
  #inputs;
  #actions;
  #stop = () => {};
  #said = '';
  #urls = []; // of pictures that were fetched, to be given back

  /**
   * Makes the card of a generation. Inputs are what this browser remembers of
   * it, or undefined. The actions are useAsStyle(url, name), reuse(generation),
   * copyCurl(generation, inputs, button), remove(card) and ended(generation).
   */
  constructor(generation, inputs, actions) {
    this.#inputs = inputs;
    this.#actions = actions;
    this.#parts = {
      state: h('span', { class: 'state' }),
      stage: h('div', { class: 'stage' }),
      went: h('div', { class: 'went' }),
      preview: h('img', { class: 'preview', alt: 'The picture as it is so far', hidden: true }),
      bar: h('progress', { max: 1, 'aria-label': 'Progress' }),
      text: h('p', { class: 'progress-text' }),
      cancel: h('button', { type: 'button', onclick: () => void this.#cancel() }, 'Cancel'),
      foot: h('footer', {}),
    };
    const { state, stage, went, foot } = this.#parts;
    this.element = h('article', { class: 'card', 'aria-label': title(generation), 'data-name': generation.name },
      h('header', {}, state, h('h3', {}, title(generation)),
        h('time', { dateTime: generation.createTime, class: 'quiet' }, when(generation.createTime))),
      h('div', { class: 'body' }, went, stage), foot);
    this.update(generation);
    if (!isEnded(generation)) this.#watch();
  }

  get name() { return this.#generation.name; }

  #watch() {
    this.#stop = watch(this.name, {
      onGeneration: (generation) => this.update(generation),
      onProgress: (event) => this.#progress(event),
      onProblem: (problem) => this.#failed(problem.message, ''),
    });
  }

  /** Ends what the card still does. */
  close() {
    this.#stop();
    this.#drop();
  }

  #drop() {
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
  }

  update(generation) {
    this.#generation = generation;
    const { state, foot } = this.#parts;
    state.textContent = states[generation.state] || '';
    state.dataset.state = generation.state;
    this.element.setAttribute('aria-busy', String(!isEnded(generation)));
    this.#showInputs();
    if (!isEnded(generation)) {
      this.#showProgress(generation.progress || {});
      this.#say(states[generation.state]);
    } else {
      if (generation.state === 'STATE_SUCCEEDED') this.#showPictures();
      else this.#failed(generation.fault?.message || '', generation.fault?.field || '');
      this.#say(`${states[generation.state]}: ${title(generation)}`);
      this.#actions.ended(generation);
    }
    foot.replaceChildren(...this.#footer());
  }

  // Only what a watcher saw happen is said aloud, not what was there before.
  #say(text) {
    if (this.#said && this.#said !== text) announce(text);
    this.#said = text;
  }

  #showInputs() {
    const people = this.#inputs?.people || [];
    this.#parts.went.replaceChildren(...[
      ...people.map((person, i) => h('figure', {},
        person.thumbs.slice(0, 4).map((url) => h('img', { src: url, alt: `Photo of ${person.name}` })),
        h('figcaption', {}, people.length > 1 ? person.name : 'Face'),
        this.#verdicts(i))),
      this.#inputs?.style && h('figure', {}, h('img', { src: this.#inputs.style, alt: 'Style picture' }), h('figcaption', {}, 'Style')),
    ].filter(Boolean));
    this.#parts.went.hidden = !this.#parts.went.childElementCount;
  }

  #verdicts(person) {
    const bad = (this.#generation.photoVerdicts || []).filter((v) => !v.used && v.photo.startsWith(`subjects[${person}]`));
    return bad.length > 0 && h('p', { class: 'note' }, bad.map((v) =>
      `Photo ${Number(/photos\[(\d+)/.exec(v.photo)?.[1] ?? 0) + 1} was not used: ${v.fault?.message || ''}. `));
  }

  #showProgress(progress) {
    const { stage, preview, bar, text } = this.#parts;
    if (bar.parentElement !== stage) {
      const frame = h('div', { class: 'frame' }, preview);
      const { width, height } = this.#generation;
      if (width && height) frame.style.aspectRatio = `${width} / ${height}`;
      stage.replaceChildren(frame, bar, text, this.#parts.cancel);
    }
    text.textContent = this.#sentence(progress);
    const count = this.#generation.pictureCount || 1;
    if (progress.steps) bar.value = ((progress.picture || 0) + (progress.step || 0) / progress.steps) / count;
    else bar.removeAttribute('value');
  }

  #sentence(progress) {
    const left = parseFloat(progress.remaining);
    const rest = left > 1 ? `, about ${Math.round(left)} s left` : '';
    if (this.#generation.state === 'STATE_QUEUED') {
      return (progress.position ? `Number ${progress.position} in the queue` : 'Waiting for its turn') + rest;
    }
    if (painting[progress.stage]) {
      const count = this.#generation.pictureCount || 1;
      const which = count > 1 ? ` ${(progress.picture || 0) + 1} of ${count}` : '';
      return `${painting[progress.stage]} picture${which}, step ${progress.step || 0} of ${progress.steps || this.#generation.steps}${rest}`;
    }
    return (stages[progress.stage] || 'Beginning') + rest;
  }

  #progress(event) {
    if (isEnded(this.#generation)) return;
    this.#showProgress(event.progress || {});
    const data = event.preview?.data;
    if (data) {
      this.#parts.preview.src = `data:image/jpeg;base64,${data}`;
      this.#parts.preview.hidden = false;
    }
  }

  async #cancel() {
    this.#parts.cancel.disabled = true;
    this.#parts.text.textContent = 'Being cancelled';
    try {
      this.update(await cancel(this.name));
    } catch (problem) {
      this.#parts.cancel.disabled = false;
      this.#parts.text.textContent = problem.message;
    }
  }

  #failed(message, field) {
    this.#parts.stage.replaceChildren(h('p', { class: 'problem' }, message, field && h('span', { class: 'quiet' }, ` (${field})`)));
  }

  #showPictures() {
    const pictures = this.#generation.pictures || [];
    this.#drop();
    this.#parts.stage.replaceChildren(h('div', { class: 'pictures' }, pictures.map((picture, i) => this.#picture(picture, i))));
  }

  #picture(picture, index) {
    const url = pictureURL(picture.name);
    const label = `Picture ${index + 1}`;
    const image = h('img', { alt: `${label}: ${title(this.#generation)}`, loading: 'lazy', width: picture.width, height: picture.height });
    const download = h('a', { class: 'button', download: '' }, 'Download', h('span', { class: 'hidden' }, ` ${label}`));
    void this.#fill(image, download, url);
    const frame = h('div', { class: 'frame' }, image,
      (picture.faces || []).map((face) => outline(face, picture)));
    return h('figure', {}, frame,
      h('figcaption', {},
        h('ul', { class: 'likeness' }, (picture.faces || []).map((face) => this.#likeness(face)),
          !picture.faces?.length && h('li', { class: 'quiet' }, 'No face was found in it.')),
        (picture.warnings || []).map((warning) => h('p', { class: 'note' }, warning.message)),
        h('div', { class: 'row' },
          download,
          h('button', {
            type: 'button', onclick: () => this.#actions.useAsStyle(url, `picture-${index + 1}`),
          }, 'Use as style', h('span', { class: 'hidden' }, ` ${label}`)))));
  }

  // Neither images nor links can show a key: with one, the page fetches for them.
  async #fill(image, download, url) {
    if (!heldKey()) {
      image.src = url;
      download.href = `${url}?download`;
      return;
    }
    try {
      const blob = await getBlob(url);
      const local = URL.createObjectURL(blob);
      this.#urls.push(local);
      image.src = local;
      download.href = local;
      const [id, , index] = url.split('/').slice(3);
      download.download = `facestudio-${id.slice(0, 8)}-${index}.${blob.type.replace('image/', '').replace('jpeg', 'jpg')}`;
    } catch (problem) {
      image.alt = problem.message;
    }
  }

  #likeness(face) {
    const value = face.similarity || 0;
    const index = face.subjectIndex ?? Number(/^subjects\[(\d+)\]$/.exec(face.subject)?.[1] ?? -1);
    const name = this.#inputs?.people[index]?.name || face.subject || 'somebody';
    const shown = this.#generation.subjects.length > 1 ? `Like ${name}` : 'Likeness';
    return h('li', { title: 'Cosine similarity of the face to the photos, by the face encoder of this server: 1 is the same, 0 a stranger' },
      h('span', {}, shown), h('meter', { min: 0, max: 1, low: 0.3, high: 0.5, optimum: 1, value: Math.max(0, value), 'aria-label': shown }),
      h('span', { class: 'number' }, value.toFixed(2)));
  }

  #footer() {
    const g = this.#generation;
    return [
      h('button', { type: 'button', class: 'text', onclick: () => this.#actions.reuse(g) }, 'Use these settings'),
      h('button', { type: 'button', class: 'text', onclick: (e) => void this.#actions.copyCurl(g, this.#inputs, e.currentTarget) }, 'Copy as curl'),
      isEnded(g) && h('button', { type: 'button', class: 'text', onclick: () => this.#actions.remove(this) }, 'Remove'),
      g.seed && h('button', {
        type: 'button', class: 'text seed', title: 'Copy the seed',
        onclick: async (e) => { const button = e.currentTarget; await navigator.clipboard?.writeText(g.seed); flash(button, 'Copied'); },
      }, `Seed ${g.seed}`),
    ].filter(Boolean);
  }
}

function outline(face, picture) {
  const box = face.box;
  if (!box) return null;
  const mark = h('span', { class: 'outline', 'aria-hidden': 'true' });
  mark.style.left = `${100 * (box.x || 0) / picture.width}%`;
  mark.style.top = `${100 * (box.y || 0) / picture.height}%`;
  mark.style.width = `${100 * box.width / picture.width}%`;
  mark.style.height = `${100 * box.height / picture.height}%`;
  return mark;
}

function title(generation) {
  if (generation.prompt) return generation.prompt;
  const names = (generation.subjects || []).map((subject) => subject.name).filter(Boolean);
  return names.length > 1 ? names.join(' and ') : 'By the style picture';
}

function when(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' });
}
