// The gateway's REST API.

import { eventsOf } from './events.js';
import { heldKey } from './key.js';

/** A failed call: problem details (RFC 9457). */
export class Problem extends Error {
  constructor(details) {
    super(details.detail || details.title || 'The server cannot be reached.');
    this.reason = details.reason || '';
    this.field = details.field || '';
    this.status = details.status || 0;
    this.retryable = Boolean(details.retryable);
  }
}

let refused = () => {};

/** Says whom to tell, with a Problem, when the server wants to know who calls. */
export function onRefused(listener) { refused = listener; }

/** Fetches from the server, showing the key if there is one; throws a Problem. */
async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (heldKey()) headers.set('Authorization', `Bearer ${heldKey()}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Problem({ detail: 'The server cannot be reached. Is it still running?' });
  }
  if (response.ok) return response;
  const problem = new Problem(await response.json().catch(() => ({ status: response.status, title: response.statusText })));
  if (problem.status === 401) refused(problem);
  throw problem;
}

async function call(method, path, body) {
  const isFile = body instanceof Blob;
  const asIs = body === undefined || body instanceof FormData || isFile;
  const response = await request(path, {
    method,
    body: asIs ? body : JSON.stringify(body),
    headers: asIs && !isFile ? {} : { 'Content-Type': isFile ? 'application/octet-stream' : 'application/json' },
  });
  return response.json();
}

export const getBundle = () => call('GET', '/v1/bundles/default');
export const create = (form) => call('POST', '/v1/generations', form);
export const cancel = (name) => call('POST', `/v1/${name}:cancel`, {});
export const list = (token, size) =>
  call('GET', `/v1/generations?pageSize=${size}&pageToken=${encodeURIComponent(token)}`);

/** Looks at photos of one person without storing anything; pictures are base64. */
export const checkPhotos = (photos) =>
  call('POST', '/v1/subjects?validateOnly=true', { photos: photos.map((data) => ({ data })) });

/** Tells who is in a picture: { people: [{ box, yaw }], width, height }. */
export const detectPeople = (file) => call('POST', '/v1/pictures:detectPeople', file);

/** Where a picture of a generation is. */
export const pictureURL = (name) => `/v1/${name}`;

/** The bytes at an address of this server, as a Blob. */
export const getBlob = async (url) => (await request(url)).blob();

const ended = new Set(['STATE_SUCCEEDED', 'STATE_FAILED', 'STATE_CANCELLED']);

/** Whether nothing more happens to a generation. */
export const isEnded = (generation) => ended.has(generation.state);

const again = 2000; // milliseconds until a lost watch is opened again

/**
 * Follows a generation to its end, over lost connections. The listeners are
 * onGeneration, onProgress and onProblem. Returns a function that stops it.
 */
export function watch(name, { onGeneration, onProgress, onProblem }) {
  const stopping = new AbortController();
  let last = '';
  let timer;

  // Whether there is nothing more to come.
  const follow = async () => {
    const response = await request(`/v1/${name}:watch`, {
      signal: stopping.signal, headers: { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) },
    });
    for await (const { type, id, data } of eventsOf(response)) {
      if (stopping.signal.aborted || type === 'end') return true;
      last = id || last;
      if (type === 'generation') onGeneration(JSON.parse(data));
      else if (type === 'progress') onProgress(JSON.parse(data));
      else if (type === 'problem') {
        const problem = new Problem(JSON.parse(data));
        if (problem.status === 401) refused(problem);
        onProblem(problem);
        return true;
      }
    }
    return false;
  };
  const open = async () => {
    try {
      if (await follow()) return;
    } catch (problem) {
      if (stopping.signal.aborted) return;
      // What the server refuses for good is not asked for again.
      if (problem.status >= 400 && problem.status < 500 && !problem.retryable) {
        onProblem(problem);
        return;
      }
    }
    if (!stopping.signal.aborted) timer = setTimeout(open, again);
  };
  void open();
  return () => {
    clearTimeout(timer);
    stopping.abort();
  };
}
