// Elements without a framework.

/** Returns the element with an id. */
export const $ = (id) => document.getElementById(id);

/**
 * Makes an element. Properties whose names begin with "on" are listeners, "class"
 * and names with a hyphen are attributes, and all others are set on the element.
 * Children that are null or false are left out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class' || name.includes('-') || name === 'role' || name === 'for') {
      if (value !== null && value !== false) element.setAttribute(name, value);
    } else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Tells a screen reader what happened. */
export function announce(text) {
  $('status').textContent = text;
}

/** Shows for a moment that a button did what it says. */
export function flash(button, text) {
  const before = button.textContent;
  button.textContent = text;
  announce(text);
  setTimeout(() => { button.textContent = before; }, 1600);
}
