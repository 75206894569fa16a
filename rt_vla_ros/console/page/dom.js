// What others wrote becomes text, never markup: nothing here takes HTML.
export const $ = (id) => document.getElementById(id);

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// Replaces the children only where `key` says that something changed: what has the focus keeps it.
export function fill(list, key, items) {
  const told = JSON.stringify(key);
  if (list.dataset.told === told) return;
  list.dataset.told = told;
  list.replaceChildren(...items());
}

export function isTyping() {
  const element = document.activeElement;
  return element?.tagName === "INPUT" && element.type !== "range";
}
