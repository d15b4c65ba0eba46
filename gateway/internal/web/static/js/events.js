// Server-sent events over fetch: unlike EventSource it can show a key.

/** Yields the events of a response: { type, id, data }. It ends where the stream does. */
export async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return; // what was begun of an event is lost with the connection
      const parts = (text + value).split('\n\n');
      text = parts.pop();
      for (const part of parts) {
        const event = parse(part);
        if (event.data) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => { /* it has ended */ });
  }
}

function parse(part) {
  const event = { type: 'message', id: '', data: '' };
  for (const line of part.split('\n')) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) || [];
    if (name === 'event') event.type = value;
    else if (name === 'id') event.id = value;
    else if (name === 'data') event.data += (event.data && '\n') + value;
  }
  return event;
}
