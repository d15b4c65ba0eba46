// What this browser remembers: small copies of what went into each generation.
// The generations themselves are the server's.

const database = 'facestudio';
const table = 'inputs';

let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(database, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(table, { keyPath: 'name' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function run(mode, action) {
  const transaction = (await open()).transaction(table, mode);
  const request = action(transaction.objectStore(table));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

// A private window may have no storage: the page then works without a memory.
const orNothing = (promise) => promise.catch(() => undefined);

/** Remembers the inputs of a generation: { name, people: [{ name, thumbs }], style, hidden }. */
export const remember = (inputs) => orNothing(run('readwrite', (s) => s.put(inputs)));

/** Returns the inputs of a generation, or undefined. */
export const recall = (name) => orNothing(run('readonly', (s) => s.get(name)));

/** Forgets everything but which generations are not to be shown any more. */
export async function forget(names) {
  await orNothing(run('readwrite', (s) => s.clear()));
  for (const name of names) await remember({ name, hidden: true });
}
