// The page: puts its parts together.

import { Problem, create, getBundle, onRefused } from './api.js';
import { copy, curlOf } from './curl.js';
import { $, announce, flash } from './dom.js';
import { Feed } from './feed.js';
import { picturesOf } from './images.js';
import { KeyDialog } from './key.js';
import { People } from './people.js';
import { Settings } from './settings.js';
import { Style } from './style.js';

const settings = new Settings();
let style;
const people = new People($('people'), $('add-person'), () => {
  style?.render();
  refresh();
});
style = new Style($('style'), () => people, refresh);

// The last request of this form, to which verdicts and outlines belong.
let last = null;

const feed = new Feed({
  useAsStyle: async (url, name) => {
    await style.takeFrom(url, `${name}.png`);
    $('style').scrollIntoView({ block: 'center' });
  },
  reuse: (generation) => {
    settings.write(generation);
    refresh();
    $('prompt').focus();
    announce('The settings are in the form');
  },
  copyCurl: (generation, inputs, button) => copyCurl(recalled(generation, inputs), button),
  ended: (generation) => {
    if (last?.name !== generation.name) return;
    people.setVerdicts(last.people, generation.photoVerdicts || []);
    style.outline(generation.style?.blob?.sha256, generation.placements || []);
  },
});

function refresh() {
  settings.suit(Boolean(style?.picture));
  $('form-problem').hidden = true;
}

/** What the form asks for, or a Problem with what is missing. */
function wish() {
  const shown = people.list.filter((person) => person.photos.length > 0);
  if (shown.length === 0) throw new Problem({ detail: 'Add a photo of a person first.', field: 'face' });
  const read = settings.read();
  if (!style.picture && !read.prompt) throw new Problem({ detail: 'Choose a style picture, or say in words what to show.', field: 'prompt' });
  return { people: shown, settings: read };
}

function formOf(request) {
  const form = new FormData();
  form.append('generation', JSON.stringify({
    ...request.settings,
    subjects: request.people.map((person) => ({
      name: people.nameOf(person), ...(person.at && { at: { point: person.at } }),
    })),
  }));
  form.append('request_id', uuid());
  for (const person of request.people) {
    for (const photo of person.photos) form.append(`face.${people.nameOf(person)}`, photo.file);
  }
  if (style.picture) form.append('style', style.picture.file);
  return form;
}

// crypto.randomUUID is only there on localhost and over TLS.
function uuid() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-8$4-$5');
}

async function submit(event) {
  event.preventDefault();
  const button = $('submit');
  if (button.disabled) return;
  button.disabled = true;
  settings.blame('');
  $('form-problem').hidden = true;
  try {
    const request = wish();
    const inputs = {
      people: request.people.map((person) => ({ name: people.nameOf(person), thumbs: person.photos.map((p) => p.thumb).filter(Boolean) })),
      style: style.picture?.thumb ?? '',
      files: request.people.map((person) => person.photos.map((p) => p.file.name)), styleFile: style.picture?.file.name ?? '',
    };
    const generation = await create(formOf(request));
    last = { name: generation.name, people: request.people };
    if (style.picture) style.picture.digest = generation.style?.blob?.sha256 || '';
    await feed.add(generation, { name: generation.name, ...inputs });
    announce('Queued');
    if (matchMedia('(max-width: 60rem)').matches) $('results-title').scrollIntoView({ block: 'start' });
  } catch (problem) {
    show(problem);
  } finally {
    button.disabled = false;
  }
}

function show(problem) {
  $('form-problem').textContent = problem.message;
  $('form-problem').hidden = false;
  settings.blame(problem.field);
}

/** The form's request as names of files, for curl. */
function written() {
  const request = wish();
  return [
    request.people.map((person) => ({ name: people.nameOf(person), files: person.photos.map((p) => p.file.name), at: person.at })),
    style.picture?.file.name ?? '', request.settings,
  ];
}

/** A generation's request as names of files; where they are not remembered, placeholders. */
function recalled(generation, inputs) {
  const { prompt, alpha, seed, steps, guidanceScale, pictureCount, width, height, background } = generation;
  const given = { prompt, alpha, seed, steps, guidanceScale, pictureCount, width, height, background };
  return [
    generation.subjects.map((subject, i) => ({
      name: subject.name || `Person ${i + 1}`, at: subject.at?.point, files: inputs?.files?.[i] ?? subject.photos.map((_, j) => `photo-${j + 1}.jpg`),
    })),
    generation.style ? inputs?.styleFile || 'style.jpg' : '',
    Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== '')),
  ];
}

async function copyCurl(request, button) {
  if (await copy(curlOf(...request))) flash(button, 'Copied');
}

$('make').addEventListener('submit', (event) => void submit(event));
$('prompt').addEventListener('input', refresh);
$('prompt').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) $('make').requestSubmit();
});
$('copy-curl').addEventListener('click', (event) => {
  try {
    void copyCurl(written(), event.currentTarget);
  } catch (problem) {
    show(problem);
  }
});
document.addEventListener('paste', (event) => {
  const files = picturesOf(event.clipboardData);
  if (files.length === 0) return;
  event.preventDefault();
  if ($('style').contains(document.activeElement)) void style.take(files[0]);
  else void people.take(people.active, files);
});

// What a key mends is said where it is asked for.
const failed = (problem) => { if (problem.status !== 401) show(problem); };

/** Asks the server what there is. */
function begin() {
  getBundle().then((bundle) => {
    settings.limit(bundle);
    $('bundle').textContent = `${bundle.title} ${bundle.version}`;
    $('bundle').title = `Models: ${bundle.license}`;
  }).catch(failed);
  feed.load().catch(failed);
}

const keys = new KeyDialog(begin);
onRefused((problem) => keys.ask(problem.reason === 'CREDENTIALS_MISSING' ? '' : problem.message));
begin();
