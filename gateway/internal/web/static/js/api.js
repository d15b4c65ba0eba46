// The gateway's REST API.

/** A failed call: problem details (RFC 9457). */
export class Problem extends Error {
  constructor(details) {
    super(details.detail || details.title || 'The server cannot be reached.');
    this.reason = details.reason || '';
    this.field = details.field || '';
    this.status = details.status || 0;
  }
}

async function call(method, path, body) {
  let response;
  try {
    const isForm = body instanceof FormData;
    response = await fetch(path, {
      method,
      body: body === undefined || isForm ? body : JSON.stringify(body),
      headers: body === undefined || isForm ? {} : { 'Content-Type': 'application/json' },
    });
  } catch {
    throw new Problem({ detail: 'The server cannot be reached. Is it still running?' });
  }
  if (response.ok) return response.json();
  throw new Problem(await response.json().catch(() => ({ status: response.status, title: response.statusText })));
}

export const getBundle = () => call('GET', '/v1/bundles/default');
export const create = (form) => call('POST', '/v1/generations', form);
export const get = (name) => call('GET', `/v1/${name}`);
export const cancel = (name) => call('POST', `/v1/${name}:cancel`, {});
export const list = (token, size) =>
  call('GET', `/v1/generations?pageSize=${size}&pageToken=${encodeURIComponent(token)}`);

/** Looks at photos of one person without storing anything; pictures are base64. */
export const checkPhotos = (photos) =>
  call('POST', '/v1/subjects?validateOnly=true', { photos: photos.map((data) => ({ data })) });

/** Where a picture of a generation is. */
export const pictureURL = (name) => `/v1/${name}`;

const ended = new Set(['STATE_SUCCEEDED', 'STATE_FAILED', 'STATE_CANCELLED']);

/** Whether nothing more happens to a generation. */
export const isEnded = (generation) => ended.has(generation.state);

/**
 * Follows a generation to its end, over lost connections. The listeners are
 * onGeneration, onProgress and onProblem. Returns a function that stops it.
 */
export function watch(name, { onGeneration, onProgress, onProblem }) {
  let source;
  let timer;
  let stopped = false;
  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    source?.close();
  };
  const open = () => {
    source = new EventSource(`/v1/${name}:watch`);
    source.addEventListener('generation', (event) => onGeneration(JSON.parse(event.data)));
    source.addEventListener('progress', (event) => onProgress(JSON.parse(event.data)));
    source.addEventListener('problem', (event) => {
      stop();
      onProblem(new Problem(JSON.parse(event.data)));
    });
    source.addEventListener('end', stop);
    // A stream that broke off is opened again by the browser; one that was
    // refused is not, and the reason is asked for.
    source.addEventListener('error', () => {
      if (stopped || source.readyState !== EventSource.CLOSED) return;
      get(name).then((generation) => {
        onGeneration(generation);
        if (!isEnded(generation)) timer = setTimeout(open, 2000);
      }, (problem) => {
        if (problem.status === 404) onProblem(problem);
        else timer = setTimeout(open, 2000);
      });
    });
  };
  open();
  return stop;
}
